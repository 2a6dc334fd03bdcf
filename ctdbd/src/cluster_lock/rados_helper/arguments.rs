//! The command line of `ctdb_mutex_ceph_rados_helper`.

use std::ffi::CString;
use std::time::Duration;

/// How long the lock lives if the command line does not say.
const LIFE_DEFAULT: Duration = Duration::from_secs(10);

/// What to lock, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arguments {
    pub(super) cluster: CString,
    pub(super) user: CString,
    pub(super) pool: CString,
    pub(super) object: CString,
    /// Without one, the pool's own objects.
    pub(super) namespace: Option<CString>,
    /// How long the lock lives without being renewed; `None`: for ever.
    pub(super) life: Option<Duration>,
    /// Whether the manager is told of the holder.
    pub(super) register: bool,
}

/// What is wrong with a command line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It asks for the usage text, after this line if there is one.
    Usage(Option<String>),
    /// The lifetime is no number: the answer is an error, without a text.
    Life,
}

impl Arguments {
    /// Reads the words behind the program's name: four that are taken as they are, then a number
    /// and options in any order, as `getopt` sorts them.
    pub(super) fn parse(words: Vec<CString>) -> Result<Self, Wrong> {
        let mut words = words.into_iter();
        let mut place = || words.next().ok_or(Wrong::Usage(None));
        let mut arguments = Self {
            cluster: place()?,
            user: place()?,
            pool: place()?,
            object: place()?,
            namespace: None,
            life: Some(LIFE_DEFAULT),
            register: true,
        };
        let mut others: Vec<CString> = Vec::new();
        while let Some(word) = words.next() {
            match word.as_bytes() {
                b"--" => others.extend(words.by_ref()),
                [b'-', letters @ ..] if !letters.is_empty() => {
                    arguments.options(letters, &mut words)?;
                }
                _ => others.push(word),
            }
        }
        let mut others = others.iter();
        if let Some(number) = others.next() {
            let seconds = number.to_str().ok().and_then(count).ok_or(Wrong::Life)?;
            arguments.life = (seconds != 0).then(|| Duration::from_secs(seconds));
        }
        if others.next().is_some() {
            return Err(Wrong::Usage(None));
        }
        Ok(arguments)
    }

    /// The letters behind one dash.
    fn options(
        &mut self,
        letters: &[u8],
        words: &mut impl Iterator<Item = CString>,
    ) -> Result<(), Wrong> {
        for (at, letter) in letters.iter().enumerate() {
            match letter {
                b'R' => self.register = false,
                b'n' => {
                    let glued = &letters[at + 1..];
                    let value = if glued.is_empty() {
                        words.next()
                    } else {
                        // A part of a string without NUL has none.
                        CString::new(glued).ok()
                    };
                    self.namespace = Some(value.ok_or_else(|| {
                        Wrong::Usage(Some("option requires an argument -- 'n'".to_owned()))
                    })?);
                    return Ok(());
                }
                _ => {
                    let text = format!("invalid option -- '{}'", char::from(*letter));
                    return Err(Wrong::Usage(Some(text)));
                }
            }
        }
        Ok(())
    }
}

/// A number as `strtoull` reads it with base 0: decimal, octal with a leading 0, hexadecimal with
/// 0x. Unlike there a negative number is none.
fn count(text: &str) -> Option<u64> {
    let text = text.trim_start();
    let text = text.strip_prefix('+').unwrap_or(text);
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let (digits, base) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&text[2..], 16),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    // What `from_str_radix` takes besides digits.
    if digits.starts_with('+') {
        return None;
    }
    u64::from_str_radix(digits, base).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Arguments, Wrong> {
        Arguments::parse(words.iter().map(|w| CString::new(*w).unwrap()).collect())
    }

    #[test]
    fn four_words_and_what_may_follow() {
        let four = ["c", "-u", "p", "o"];
        let short = parse(&four).unwrap();
        assert_eq!(short.user, c"-u".to_owned());
        assert_eq!(short.life, Some(Duration::from_secs(10)));
        assert!(short.register && short.namespace.is_none());
        for more in [
            &["20", "-n", "space"][..],
            &["-nspace", "20"],
            &["-n", "space", "--", "0x14"],
        ] {
            let long = parse(&[&four[..], more].concat()).unwrap();
            assert_eq!(long.life, Some(Duration::from_secs(20)), "{more:?}");
            assert_eq!(long.namespace, Some(c"space".to_owned()), "{more:?}");
        }
        let more = parse(&[&four[..], &["-Rn", "s", "0"]].concat()).unwrap();
        assert_eq!(
            (more.life, more.register, more.namespace),
            (None, false, Some(c"s".to_owned()))
        );
    }

    #[test]
    fn what_is_wrong() {
        assert_eq!(parse(&["c", "u", "p"]), Err(Wrong::Usage(None)));
        let five = |word| parse(&["c", "u", "p", "o", word]);
        assert_eq!(five("x"), Err(Wrong::Life));
        assert_eq!(five("1s"), Err(Wrong::Life));
        assert_eq!(five("-x").err(), usage("invalid option -- 'x'"));
        assert_eq!(five("-1").err(), usage("invalid option -- '1'"));
        assert_eq!(
            five("-n").err(),
            usage("option requires an argument -- 'n'")
        );
        assert_eq!(
            parse(&["c", "u", "p", "o", "1", "2"]),
            Err(Wrong::Usage(None))
        );
    }

    fn usage(text: &str) -> Option<Wrong> {
        Some(Wrong::Usage(Some(text.to_owned())))
    }

    #[test]
    fn numbers_have_three_bases() {
        let read = [" 10", "+7", "010", "0X1f", "0", ""].map(count);
        assert_eq!(read, [Some(10), Some(7), Some(8), Some(31), Some(0), None]);
        assert_eq!(["-1", "0x", "08", "0x+1", "++1"].map(count), [None; 5]);
    }
}
