//! The program `ctdb-config`: shows and checks `ctdb.conf`.

use ctdb_config::conf::Conf;
use ctdb_config::{LoadError, Report, options};

use crate::cmdline::{Cmdline, CommandSpec};
use crate::config_check;
use crate::small_tool::{self, Tool};

const COMMANDS: &[CommandSpec<Tool>] = &[
    CommandSpec::new(
        "check",
        check,
        "Check all configuration files, compare nodes",
    ),
    CommandSpec::new("dump", dump, "Dump configuration"),
    CommandSpec::new("get", get, "Get a config value").taking("<section> <key>"),
    CommandSpec::new("validate", validate, "Validate configuration file"),
];

/// The program; answers with its exit code.
#[must_use]
pub fn main() -> i32 {
    small_tool::main("ctdb-config", COMMANDS)
}

impl Tool {
    /// Loads the file; a missing one is fine unless `strict`, as are unknown names.
    fn load(&self, conf: &mut Conf, strict: bool) -> Result<(), LoadError> {
        let mut report = Report::new();
        let file = self.paths.config_file();
        let result = match conf.load(&file, !strict, &mut report) {
            Err(e) if e.is_missing() && !strict => Ok(()),
            Err(e) => {
                report.error(format!("Failed to load config file {}", file.display()));
                Err(e)
            }
            Ok(()) => Ok(()),
        };
        report.print(self.level);
        result
    }
}

fn usage(cmdline: &Cmdline<Tool>, command: &str) -> i32 {
    print!("{}", cmdline.usage(Some(command)));
    libc::EINVAL
}

fn check(tool: &mut Tool, cmdline: &Cmdline<Tool>, arguments: &[String]) -> i32 {
    if !arguments.is_empty() {
        return usage(cmdline, "check");
    }
    config_check::run(&tool.paths)
}

fn dump(tool: &mut Tool, cmdline: &Cmdline<Tool>, arguments: &[String]) -> i32 {
    if !arguments.is_empty() {
        return usage(cmdline, "dump");
    }
    let mut conf = options::define(&tool.paths);
    if let Err(e) = tool.load(&mut conf, false) {
        return e.errno();
    }
    print!("{}", conf.dump());
    0
}

fn get(tool: &mut Tool, cmdline: &Cmdline<Tool>, arguments: &[String]) -> i32 {
    let [section, key] = arguments else {
        return usage(cmdline, "get");
    };
    let mut conf = options::define(&tool.paths);
    if conf.get(section, key).is_none() {
        eprintln!("Configuration option [{section}] -> \"{key}\" not defined");
        return libc::ENOENT;
    }
    if let Err(e) = tool.load(&mut conf, false) {
        return e.errno();
    }
    if let Some(value) = conf.get(section, key) {
        println!("{value}");
    }
    0
}

fn validate(tool: &mut Tool, cmdline: &Cmdline<Tool>, arguments: &[String]) -> i32 {
    if !arguments.is_empty() {
        return usage(cmdline, "validate");
    }
    let mut conf = options::define(&tool.paths);
    match tool.load(&mut conf, true) {
        Ok(()) => 0,
        Err(e) => e.errno(),
    }
}
