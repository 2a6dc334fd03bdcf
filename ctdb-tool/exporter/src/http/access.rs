// SPDX-License-Identifier: GPL-3.0-or-later
//! Who may ask: anybody who can open a Unix socket; over TCP whoever knows the token.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;

/// Shorter tokens can be guessed.
const SHORTEST: usize = 16;

/// What a client has to show.
#[derive(Debug)]
pub(super) enum Access {
    /// Nothing.
    Open,
    /// This token.
    Token(Vec<u8>),
}

impl Access {
    /// Reads the token.
    pub(super) fn from_file(file: &Path) -> Result<Self, String> {
        let name = file.display();
        let text = fs::read(file).map_err(|e| format!("{name}: {e}"))?;
        let mode = fs::metadata(file)
            .map_err(|e| format!("{name}: {e}"))?
            .mode();
        if mode & 0o077 != 0 {
            return Err(format!(
                "{name}: others may read the token (mode {:04o}): chmod 0600 {name}",
                mode & 0o7777
            ));
        }
        let token = text.trim_ascii();
        if token.len() < SHORTEST || token.contains(&b'\n') {
            return Err(format!(
                "{name}: wants one line of at least {SHORTEST} characters, as openssl rand -hex 32 prints"
            ));
        }
        Ok(Self::Token(token.to_owned()))
    }

    /// Whether a request with this `Authorization` may be answered. Browsers know no bearer tokens: for
    /// them it may be the password of any user.
    pub(super) fn allows(&self, authorization: Option<&[u8]>) -> bool {
        let Self::Token(token) = self else {
            return true;
        };
        authorization
            .and_then(shown)
            .is_some_and(|shown| bool::from(token.as_slice().ct_eq(&shown)))
    }
}

/// The token that a client shows.
fn shown(authorization: &[u8]) -> Option<Vec<u8>> {
    let space = authorization.iter().position(|byte| *byte == b' ')?;
    let (scheme, rest) = authorization.split_at(space);
    let rest = rest.trim_ascii();
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return Some(rest.to_owned());
    }
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let pair = STANDARD.decode(rest).ok()?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    Some(pair[colon + 1..].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const TOKEN: &str = "0123456789abcdef";

    #[test]
    fn the_token_alone_lets_in() {
        let access = Access::Token(TOKEN.into());
        let allows = |text: &str| access.allows(Some(text.as_bytes()));
        assert!(allows(&format!("Bearer {TOKEN}")));
        assert!(allows(&format!("bearer  {TOKEN} ")));
        let basic = STANDARD.encode(format!("anybody:{TOKEN}"));
        assert!(allows(&format!("Basic {basic}")));
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer 0123456789abcdeX",
            "Bearer 0123456789abcdef0",
            "Basic 0123",
            TOKEN,
        ] {
            assert!(!allows(wrong), "{wrong}");
        }
        assert!(!access.allows(None));
        assert!(Access::Open.allows(None));
    }

    #[test]
    fn a_token_that_others_may_read_is_none() {
        let file = std::env::temp_dir().join(format!("ctdb-token-{}", std::process::id()));
        let read = |text: &str, mode| {
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            Access::from_file(&file).map_err(|e| e.replace(&file.display().to_string(), "FILE"))
        };
        let line = format!("{TOKEN}\n");
        assert!(
            matches!(read(&line, 0o600), Ok(Access::Token(token)) if token == TOKEN.as_bytes())
        );
        let error = read(&line, 0o640).unwrap_err();
        assert!(error.contains("mode 0640"), "{error}");
        assert!(read("short\n", 0o600).is_err());
        assert!(read("0123456789abcdef\nmore\n", 0o600).is_err());
        fs::remove_file(&file).unwrap();
    }
}
