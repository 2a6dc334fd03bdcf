//! What a program writes, as much of it as is worth keeping: the beginning and the end.

/// Bytes of the beginning and of the end that are kept.
const HALF: usize = 512 << 10;
/// Lines of one run that are logged from its beginning and from its end.
const LINES: usize = 500;
/// Longer lines are cut here in the log.
const LINE_BYTES: usize = 2048;

/// Output under collection. Costs the reading and never more than a megabyte and a half of memory.
#[derive(Debug, Default)]
pub struct Capture {
    first: Vec<u8>,
    /// Up to twice as long as is kept of the end.
    last: Vec<u8>,
    /// Bytes that are not kept, between the two.
    cut: u64,
}

impl Capture {
    /// Takes in what was read.
    pub fn add(&mut self, mut bytes: &[u8]) {
        if self.last.is_empty() {
            let (fits, rest) = bytes.split_at(bytes.len().min(HALF - self.first.len()));
            self.first.extend_from_slice(fits);
            bytes = rest;
        }
        self.last.extend_from_slice(bytes);
        if self.last.len() > 2 * HALF {
            self.drop_middle();
        }
    }

    fn drop_middle(&mut self) {
        let surplus = self.last.len().saturating_sub(HALF);
        self.last.drain(..surplus);
        self.cut += surplus as u64;
    }

    /// The output; where something is missing a line says how much.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.drop_middle();
        let mut all = self.first;
        if self.cut > 0 {
            all.extend_from_slice(format!("\n[{} bytes cut]\n", self.cut).as_bytes());
        }
        all.extend_from_slice(&self.last);
        all
    }
}

/// The lines of an output that go to the log, none of them longer than a screen; in the middle of very many
/// stands how many were left out.
pub fn lines_to_log(output: &[u8]) -> Vec<String> {
    let lines: Vec<&[u8]> = output
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .collect();
    let cut = |line: &&[u8]| {
        let text = String::from_utf8_lossy(&line[..line.len().min(LINE_BYTES)]).into_owned();
        match line.len().saturating_sub(LINE_BYTES) {
            0 => text,
            rest => format!("{text} [{rest} bytes cut]"),
        }
    };
    if lines.len() <= 2 * LINES {
        return lines.iter().map(cut).collect();
    }
    let (first, rest) = lines.split_at(LINES);
    let (middle, last) = rest.split_at(rest.len() - LINES);
    let mut kept: Vec<String> = first.iter().map(cut).collect();
    kept.push(format!("[{} lines left out]", middle.len()));
    kept.extend(last.iter().map(cut));
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_output_is_kept_as_it_is() {
        let mut capture = Capture::default();
        capture.add(b"one\n");
        capture.add(b"two");
        assert_eq!(capture.finish(), b"one\ntwo");
    }

    #[test]
    fn of_long_output_the_beginning_and_the_end_are_kept() {
        let mut capture = Capture::default();
        capture.add(b"begin");
        for _ in 0..100 {
            capture.add(&vec![b'x'; 100_000]);
            assert!(capture.first.len() + capture.last.len() <= 3 * HALF + 100_000);
        }
        capture.add(b"end");
        let output = capture.finish();
        assert!(output.starts_with(b"begin") && output.ends_with(b"xend"));
        let text = String::from_utf8(output).unwrap();
        let cut = 10_000_008 - 2 * HALF;
        assert!(text.contains(&format!("x\n[{cut} bytes cut]\nx")));
        assert!(text.len() < 2 * HALF + 50);
    }

    #[test]
    fn logged_lines_are_bounded() {
        let many = "spam\n".repeat(10_000);
        let lines = lines_to_log(many.as_bytes());
        assert_eq!(lines.len(), 2 * LINES + 1);
        assert_eq!(lines[LINES], "[9000 lines left out]");
        let long = lines_to_log(&vec![b'y'; 5000]);
        assert!(long[0].ends_with("y [2952 bytes cut]"));
        assert_eq!(lines_to_log(b"\n\na\n"), ["a"]);
    }
}
