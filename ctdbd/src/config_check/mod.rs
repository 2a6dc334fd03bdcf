// SPDX-License-Identifier: GPL-3.0-or-later
//! `ctdb-config check`: looks at every file that an administrator writes, names file and line of what is wrong, and,
//! if the daemon runs, what differs between the nodes.

mod addresses;
mod cluster;
mod script_options;

use std::fmt;
use std::path::{Path, PathBuf};

use ctdb_config::conf::Conf;
use ctdb_config::tunables::{self, Tunables};
use ctdb_config::{Config, Level, Paths, Release, Report, options};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// The daemon, or a script, will not do what the file says.
    Error,
    /// Perhaps not what was meant.
    Warning,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    weight: Weight,
    /// The file and the line, counted from 1; none for what concerns the cluster.
    place: Option<(PathBuf, Option<usize>)>,
    text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some((file, Some(line))) => write!(f, "{}:{line}: ", file.display())?,
            Some((file, None)) => write!(f, "{}: ", file.display())?,
            None => {}
        }
        let weight = match self.weight {
            Weight::Error => "error",
            Weight::Warning => "warning",
        };
        write!(f, "{weight}: {}", self.text)
    }
}

/// All that was found, in the order of the files.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, weight: Weight, file: &Path, line: Option<usize>, text: impl Into<String>) {
        self.0.push(Finding {
            weight,
            place: Some((file.to_owned(), line)),
            text: text.into(),
        });
    }

    fn of_cluster(&mut self, weight: Weight, text: impl Into<String>) {
        self.0.push(Finding {
            weight,
            place: None,
            text: text.into(),
        });
    }

    /// What reading a file had to tell; notices are left out.
    fn take(&mut self, file: &Path, report: &Report) {
        for message in &report.messages {
            let weight = match message.level {
                Level::Error => Weight::Error,
                Level::Warning => Weight::Warning,
                Level::Notice | Level::Info | Level::Debug => continue,
            };
            // Who speaks, a function of upstream's or the file, is said already.
            let shown = format!("{}: ", file.display());
            let text = message.text.trim_start_matches("ctdb_tunable_load_file: ");
            let text = text.strip_prefix(&*shown).unwrap_or(text);
            self.add(weight, file, message.line, text);
        }
    }

    fn count(&self, weight: Weight) -> usize {
        self.0.iter().filter(|f| f.weight == weight).count()
    }
}

/// Looks at everything and prints what was found. The exit code is 1 if there was an error.
#[must_use]
pub fn run(paths: &Paths) -> i32 {
    let mut found = Findings::default();
    let config = main_file(paths, &mut found);
    if let Some(config) = &config {
        addresses::nodes(&config.nodes_list(paths), &mut found);
    }
    addresses::public(&paths.public_addresses_file(), &mut found);
    let tunables = tunables(paths, &mut found);
    script_options::all(paths.etcdir(), &mut found);
    let asked = cluster::compare(paths, &tunables, &mut found);

    for finding in &found.0 {
        println!("{finding}");
    }
    if let Some(reason) = asked {
        println!("Nodes not compared: {reason}");
    }
    let errors = found.count(Weight::Error);
    println!("{errors} errors, {} warnings", found.count(Weight::Warning));
    i32::from(errors > 0)
}

/// `ctdb.conf`, strictly: a name that nobody knows is most likely mistyped. What is in force comes back.
fn main_file(paths: &Paths, found: &mut Findings) -> Option<Config> {
    let file = paths.config_file();
    let mut conf: Conf = options::define(paths);
    let mut report = Report::new();
    let loaded = conf.load(&file, false, &mut report);
    found.take(&file, &report);
    match loaded {
        Err(e) if e.is_missing() => {
            found.add(Weight::Warning, &file, None, "there is no such file");
        }
        Err(e) if !report.has_errors() => found.add(Weight::Error, &file, None, e.to_string()),
        Err(_) | Ok(()) => {}
    }
    Config::load(paths, &mut Report::new()).ok()
}

/// All files of tunables, in the order in which they count.
fn tunables(paths: &Paths, found: &mut Findings) -> Tunables {
    let directory = paths.tunables_directory();
    let more = match tunables::files_in(&directory) {
        Ok(files) => files,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(e) => {
            found.add(Weight::Error, &directory, None, e.to_string());
            Vec::new()
        }
    };
    let mut tunables = Tunables::default();
    for file in std::iter::once(paths.tunables_file()).chain(more) {
        let mut report = Report::new();
        tunables.load_file(&file, Release::in_force(paths), &mut report);
        found.take(&file, &report);
    }
    tunables
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(found: &Findings, base: &Path) -> Vec<String> {
        let base = format!("{}/", base.display());
        let show = |f: &Finding| f.to_string().replace(&base, "");
        found.0.iter().map(show).collect()
    }

    #[test]
    fn findings_name_file_and_line() {
        let base = std::env::temp_dir().join(format!("ctdb-config-check-{}", std::process::id()));
        std::fs::create_dir_all(base.join("events/legacy")).unwrap();
        let paths = Paths::below(&base);
        let write = |name: &str, text: &str| std::fs::write(base.join(name), text).unwrap();
        write(
            "ctdb.conf",
            "[cluster]\n\tleader timeout = 0\n\tnode adress = 10.0.0.1\n",
        );
        write("nodes", "10.0.0.1\n10.0.0.2\n10.0.0.x\n10.0.0.1\n");
        write(
            "public_addresses",
            "10.1.0.1/24 no-such-if\n10.1.0.2 eth0\n10.1.0.1/24 lo\n10.0.0.2/24 lo\n10.1.0.3/24\n",
        );
        write(
            "ctdb.tunables",
            "# fine\nMonitorInterval=20\nMonitorIntervall=3\nNoIPTakeover=x\n",
        );
        std::fs::create_dir_all(paths.tunables_directory()).unwrap();
        write(
            "tunables.d/50-site.tunables",
            "RecoverTimeout=7\nRecoverTimeout=\n",
        );
        write(
            "script.options",
            "CTDB_SAMBA_SKIP_SHARE_CHECK=maybe\nCTDB_NO_SUCH=1\n",
        );
        write(
            "events/legacy/05.system.options",
            "CTDB_MONITOR_MEMORY_USAGE=80:high\n",
        );

        let mut found = Findings::default();
        main_file(&paths, &mut found);
        addresses::nodes(&base.join("nodes").display().to_string(), &mut found);
        addresses::public(&paths.public_addresses_file(), &mut found);
        let tunables = tunables(&paths, &mut found);
        script_options::all(paths.etcdir(), &mut found);
        let shown = lines(&found, &base);
        std::fs::remove_dir_all(&base).unwrap();

        assert_eq!(tunables.monitor_interval(), 20);
        let has =
            |text: &str| assert!(shown.iter().any(|l| l.contains(text)), "{text}: {shown:#?}");
        has("ctdb.conf:2: error: Invalid value for [cluster] -> leader timeout = 0");
        has("ctdb.conf:3: ");
        has("nodes:3: error: \"10.0.0.x\" is no address");
        has("nodes:4: error: 10.0.0.1 is in line 1 already");
        has("public_addresses:1: warning: there is no interface no-such-if here");
        has("public_addresses:2: error: ");
        has("public_addresses:3: error: 10.1.0.1 is in line 1 already");
        has("public_addresses:5: error: no interface");
        has("ctdb.tunables:3: error: Unknown tunable \"MonitorIntervall\"");
        has("ctdb.tunables:4: error: Invalid value \"x\" for tunable \"NoIPTakeover\"");
        assert_eq!(tunables.recover_timeout(), 7);
        has("tunables.d/50-site.tunables:2: error: Invalid line containing \"RecoverTimeout\"");
        has("script.options:1: error: CTDB_SAMBA_SKIP_SHARE_CHECK is yes or no, not \"maybe\"");
        has("script.options:2: warning: no script knows CTDB_NO_SUCH");
        has(
            "05.system.options:1: error: CTDB_MONITOR_MEMORY_USAGE is WARN:UNHEALTHY in numbers, not \"80:high\"",
        );
    }
}
