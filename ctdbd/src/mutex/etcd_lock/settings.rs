//! The options and the file of `ctdb_etcd_lock`.

use std::path::PathBuf;

/// What the file `/etc/ctdb/etcd` says, `key = value` on each line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) lock_ttl_s: u64,
    pub(super) refresh_s: u64,
    pub(super) locks_dir: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 2379,
            lock_ttl_s: 9,
            refresh_s: 2,
            locks_dir: "_ctdb".to_owned(),
        }
    }
}

impl Settings {
    /// Reads the text of the file.
    ///
    /// # Errors
    /// Names the line that cannot be followed. A key of the C helper that would make it speak
    /// TLS or give a password is refused: to leave it out in silence would be worse.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut settings = Self::default();
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (key, value) = line
                .split_once('=')
                .map(|(key, value)| (key.trim(), value.trim()))
                .ok_or_else(|| format!("no \"=\" in \"{line}\""))?;
            match key {
                "host" => settings.host = value.to_owned(),
                "port" => settings.port = number(key, value)?,
                "lock_ttl" => settings.lock_ttl_s = number(key, value)?,
                "refresh" | "lock_refresh" => settings.refresh_s = number(key, value)?,
                "locks_dir" => settings.locks_dir = value.trim_matches('/').to_owned(),
                "protocol" if value == "http" => {}
                _ => return Err(format!("{key} = {value} is not supported")),
            }
        }
        if settings.refresh_s == 0 || settings.refresh_s >= settings.lock_ttl_s {
            return Err(format!(
                "refresh = {} must be above 0 and below lock_ttl = {}",
                settings.refresh_s, settings.lock_ttl_s
            ));
        }
        Ok(settings)
    }
}

fn number<T: std::str::FromStr>(key: &str, value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("{key} = {value} is no number that fits"))
}

/// The command line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Arguments {
    pub(super) verbose: usize,
    pub(super) file: PathBuf,
    /// Whether the file was named, and so must be there.
    pub(super) named: bool,
}

impl Arguments {
    /// `-v...`, `--verbose`, `-c FILE`, `--config FILE`, `--config=FILE`; `base` is the folder of
    /// the configuration. `None` if there is anything else.
    pub(super) fn parse(
        mut words: impl Iterator<Item = String>,
        base: &std::path::Path,
    ) -> Option<Self> {
        let mut arguments = Self {
            verbose: 0,
            file: base.join("etcd"),
            named: false,
        };
        while let Some(word) = words.next() {
            if word == "-c" || word == "--config" {
                arguments.file = words.next()?.into();
                arguments.named = true;
            } else if let Some(file) = word.strip_prefix("--config=") {
                arguments.file = file.into();
                arguments.named = true;
            } else if word == "--verbose" {
                arguments.verbose += 1;
            } else if word.len() > 1
                && word[1..].bytes().all(|b| b == b'v')
                && word.starts_with('-')
            {
                arguments.verbose += word.len() - 1;
            } else {
                return None;
            }
        }
        Some(arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_has_defaults_and_limits() {
        assert_eq!(Settings::parse("# nothing\n"), Ok(Settings::default()));
        let settings = Settings::parse("host = ::1\nport=1\nlock_ttl = 5\nrefresh = 4\n");
        assert_eq!(settings.map(|s| (s.port, s.lock_ttl_s)), Ok((1, 5)));
        assert!(Settings::parse("refresh = 9").is_err());
        assert!(Settings::parse("port = 65536").is_err());
        assert!(Settings::parse("protocol = https").is_err());
        assert!(Settings::parse("host").is_err());
    }

    #[test]
    fn command_line_counts_and_names() {
        let parse = |words: &[&str]| {
            Arguments::parse(
                words.iter().map(|w| (*w).to_owned()),
                std::path::Path::new("/b"),
            )
        };
        let arguments = parse(&["-vv", "--verbose"]).expect("these are options");
        assert_eq!(arguments.verbose, 3);
        assert_eq!(arguments.file, PathBuf::from("/b/etcd"));
        assert_eq!(parse(&["-c", "x"]).map(|a| a.named), Some(true));
        assert_eq!(parse(&["-c"]), None);
        assert_eq!(parse(&["-"]), None);
        assert_eq!(parse(&["more"]), None);
    }
}
