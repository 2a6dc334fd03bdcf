//! The options and the file of `ctdb_etcd_lock`.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The port of etcd's clients.
const PORT: u16 = 2379;

/// What python-etcd, the client of the C distribution's program, takes besides, and what has no
/// meaning for this one: it speaks another version, follows no redirection and has one connection.
const WITHOUT_MEANING: [&str; 4] = [
    "version_prefix",
    "allow_redirect",
    "per_host_pool_size",
    "lock_prefix",
];

/// One etcd server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Server {
    /// `HOST`, `HOST:PORT`, an IPv6 address, or `[ADDRESS]:PORT`.
    fn parse(word: &str, port: u16) -> Result<Self, String> {
        let (host, rest) = match word.strip_prefix('[').and_then(|w| w.split_once(']')) {
            Some((host, rest)) => (host, rest),
            None if word.matches(':').count() == 1 => word.split_at(word.find(':').unwrap_or(0)),
            None => (word, ""),
        };
        let port = match rest.strip_prefix(':') {
            Some(text) => number("host", text)?,
            None if rest.is_empty() => port,
            None => return Err(format!("host = {word} is no address")),
        };
        if host.is_empty() || host.contains(['/', '@', '?', '#', '[', ']']) {
            return Err(format!("host = {word} is no address"));
        }
        let host = host.to_owned();
        Ok(Self { host, port })
    }

    /// From an address as etcd tells its members', `https://10.0.0.1:2379`; `None` if it is for
    /// another protocol than `scheme`.
    pub(super) fn from_url(url: &str, scheme: &str) -> Option<Self> {
        let rest = url.strip_prefix(scheme)?.strip_prefix("://")?;
        Self::parse(rest.trim_end_matches('/'), PORT).ok()
    }
}

/// As it stands in an address of the web.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Whom etcd is to take us for.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) password: String,
}

/// The password is in no log.
impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The files for TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tls {
    /// Whom to believe; without it, whom the system believes.
    pub(super) ca_cert: Option<PathBuf>,
    /// What to show the server.
    pub(super) cert: Option<PathBuf>,
    /// The key of `cert`, if it is not in the same file.
    pub(super) key: Option<PathBuf>,
}

/// What the file `/etc/ctdb/etcd` says, `key = value` on each line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    /// At least one, in the order in which they are tried.
    pub(super) servers: Vec<Server>,
    /// What to use of TLS, if it is used.
    pub(super) tls: Option<Tls>,
    pub(super) user: Option<User>,
    /// Whether to ask the servers for the others of their cluster.
    pub(super) ask_members: bool,
    /// The cluster that has to answer.
    pub(super) cluster_id: Option<u64>,
    /// The longest wait for one answer.
    pub(super) read_timeout_s: Option<u64>,
    pub(super) lock_ttl_s: u64,
    pub(super) refresh_s: u64,
    pub(super) locks_dir: String,
    /// What an administrator should know about the file.
    pub(super) notes: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            servers: vec![Server {
                host: "127.0.0.1".to_owned(),
                port: PORT,
            }],
            tls: None,
            user: None,
            ask_members: false,
            cluster_id: None,
            read_timeout_s: None,
            lock_ttl_s: 9,
            refresh_s: 2,
            locks_dir: "_ctdb".to_owned(),
            notes: Vec::new(),
        }
    }
}

/// What is put together only when the whole file is read.
struct Parts {
    host: String,
    port: u16,
    https: bool,
    tls: Tls,
    username: String,
    password: String,
    use_proxies: bool,
}

impl Settings {
    /// Reads the text of the file.
    ///
    /// # Errors
    /// Names the line that cannot be followed. What the C program takes and this one cannot do
    /// is refused; what both of them do not know is left out with a note, as the C program does
    /// without.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut settings = Self::default();
        let mut parts = Parts {
            host: "127.0.0.1".to_owned(),
            port: PORT,
            https: false,
            tls: Tls::default(),
            username: String::new(),
            password: String::new(),
            use_proxies: false,
        };
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (key, value) = line
                .split_once('=')
                .map(|(key, value)| (key.trim(), value.trim()))
                .ok_or_else(|| format!("no \"=\" in \"{line}\""))?;
            if !settings.lock_option(key, value)?
                && !settings.client_option(&mut parts, key, value)?
            {
                settings
                    .notes
                    .push(format!("\"{key}\" is unknown and ignored"));
            }
        }
        settings.put_together(parts)?;
        if settings.refresh_s == 0 || settings.refresh_s >= settings.lock_ttl_s {
            return Err(format!(
                "refresh = {} must be above 0 and below lock_ttl = {}",
                settings.refresh_s, settings.lock_ttl_s
            ));
        }
        Ok(settings)
    }

    /// The time for one question and its answer: two of them, and the one that gives the lease
    /// back, fit between a renewal's moment and the end of the lease.
    pub(super) fn step(&self) -> Duration {
        Duration::from_millis((self.lock_ttl_s - self.refresh_s) * 1000 / 3)
    }

    /// What is about the lock itself. False if `key` is not.
    fn lock_option(&mut self, key: &str, value: &str) -> Result<bool, String> {
        match key {
            "lock_ttl" => self.lock_ttl_s = number(key, value)?,
            "refresh" | "lock_refresh" => self.refresh_s = number(key, value)?,
            "locks_dir" => self.locks_dir = value.trim_matches('/').to_owned(),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What is about the way to etcd, with the names of python-etcd. False if `key` is not.
    fn client_option(&mut self, parts: &mut Parts, key: &str, value: &str) -> Result<bool, String> {
        let file = || (!value.is_empty()).then(|| PathBuf::from(value));
        match key {
            "host" => value.clone_into(&mut parts.host),
            "port" => parts.port = number(key, value)?,
            "protocol" => {
                parts.https = match value {
                    "http" => false,
                    "https" => true,
                    _ => return Err(format!("protocol = {value} is neither http nor https")),
                }
            }
            "ca_cert" => parts.tls.ca_cert = file(),
            "cert" => parts.tls.cert = file(),
            "key" => parts.tls.key = file(),
            "username" => value.clone_into(&mut parts.username),
            "password" => value.clone_into(&mut parts.password),
            "allow_reconnect" => self.ask_members = truth(value),
            "use_proxies" => parts.use_proxies = truth(value),
            "read_timeout" => self.read_timeout_s = Some(number(key, value)?).filter(|s| *s > 0),
            "expected_cluster_id" => {
                self.cluster_id = Some(
                    u64::from_str_radix(value, 16)
                        .map_err(|_| format!("{key} = {value} is no hexadecimal number"))?,
                );
            }
            "srv_domain" => {
                return Err(format!(
                    "srv_domain = {value} is not supported: write the servers as \
                     \"host = NAME:PORT, NAME:PORT\" instead"
                ));
            }
            _ if WITHOUT_MEANING.contains(&key) => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn put_together(&mut self, parts: Parts) -> Result<(), String> {
        self.servers = parts
            .host
            .split([',', ' ', '\t'])
            .filter(|word| !word.is_empty())
            .map(|word| Server::parse(word, parts.port))
            .collect::<Result<_, _>>()?;
        if self.servers.is_empty() {
            return Err("host = is empty".to_owned());
        }
        self.ask_members &= !parts.use_proxies;
        if parts.https {
            if parts.tls.cert.is_none() && parts.tls.key.is_some() {
                return Err("key is given without cert".to_owned());
            }
            self.tls = Some(parts.tls);
        } else if parts.tls != Tls::default() {
            let text = "without \"protocol = https\" certificates are not used";
            self.notes.push(text.to_owned());
        }
        match (parts.username.is_empty(), parts.password.is_empty()) {
            (false, false) => {
                self.user = Some(User {
                    name: parts.username,
                    password: parts.password,
                });
            }
            (true, true) => {}
            _ => {
                let text = "one of username and password is missing, so none is used";
                self.notes.push(text.to_owned());
            }
        }
        Ok(())
    }
}

/// Python takes every word for true, `False` too; nobody means that.
fn truth(value: &str) -> bool {
    !["", "0", "no", "false", "none"].contains(&value.to_ascii_lowercase().as_str())
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

    fn servers(text: &str) -> Vec<String> {
        let settings = Settings::parse(text).expect("this is a good file");
        settings.servers.iter().map(Server::to_string).collect()
    }

    #[test]
    fn file_has_defaults_and_limits() {
        assert_eq!(Settings::parse("# nothing\n"), Ok(Settings::default()));
        let settings = Settings::parse("host = ::1\nport=1\nlock_ttl = 5\nrefresh = 4\n");
        assert_eq!(
            settings.map(|s| (s.servers[0].port, s.lock_ttl_s)),
            Ok((1, 5))
        );
        for wrong in [
            "refresh = 9",
            "port = 65536",
            "protocol = ftp",
            "srv_domain = example.com",
            "expected_cluster_id = x",
            "host",
            "host =",
            "protocol = https\nkey = /k",
        ] {
            assert!(Settings::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn hosts_are_listed_with_and_without_port() {
        assert_eq!(
            servers("port = 7\nhost = a, b:1 [::1]:2,::2"),
            ["a:7", "b:1", "[::1]:2", "[::2]:7"]
        );
        assert_eq!(servers("host = [::1]"), ["[::1]:2379"]);
        for wrong in ["a/b", "[::1]2", "a:x", "u@h"] {
            assert!(
                Settings::parse(&format!("host = {wrong}")).is_err(),
                "{wrong}"
            );
        }
        let member = |url| Server::from_url(url, "https").map(|s| s.to_string());
        assert_eq!(member("https://n:1/"), Some("n:1".to_owned()));
        assert_eq!(member("http://n:1"), None);
    }

    #[test]
    fn file_of_the_c_program_is_taken() {
        let text = "protocol = https\nca_cert = /ca\ncert = /c\nusername = u\npassword = p=q\n\
                    allow_reconnect = True\nexpected_cluster_id = cdf818194e3a8c32\n\
                    read_timeout = 3\nallow_redirect = 1\nversion_prefix = /v2\n";
        let settings = Settings::parse(text).expect("this is a good file");
        let tls = settings.tls.expect("https needs TLS");
        assert_eq!(tls.ca_cert, Some("/ca".into()));
        assert_eq!((tls.cert, tls.key), (Some("/c".into()), None));
        assert!(!format!("{:?}", settings.user).contains("p=q"));
        assert_eq!(settings.user.map(|u| u.password), Some("p=q".to_owned()));
        assert!(settings.ask_members);
        assert_eq!(settings.cluster_id, Some(0xcdf8_1819_4e3a_8c32));
        assert_eq!(settings.read_timeout_s, Some(3));
        assert_eq!(settings.notes, [""; 0]);
    }

    #[test]
    fn what_is_left_out_is_told() {
        for text in ["more = 1", "ca_cert = /ca", "username = u", "password = p"] {
            assert_eq!(
                Settings::parse(text).map(|s| s.notes.len()),
                Ok(1),
                "{text}"
            );
        }
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
