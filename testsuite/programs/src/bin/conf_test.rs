//! `conf_test NUMBER [FILE]`: the machinery under `ctdb.conf`, as UNIT/cunit/conf_test_001 asks.

use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;

use ctdb_config::conf::{Check, Conf, Definition, SectionCheck, Value};
use ctdb_config::{Level, Report};

const SECTION: &str = "section1";

/// A configuration that shows what it is told.
#[derive(Default)]
struct Test {
    conf: Conf,
}

impl Test {
    fn with_section(check: Option<SectionCheck>) -> Self {
        let mut test = Self::default();
        test.conf.define_section(Some(SECTION), check);
        test
    }

    /// key1, key2, key3: one of each kind.
    fn with_keys(default: &str, check: Option<Check>) -> Self {
        let mut test = Self::with_section(None);
        test.define("key1", Value::text(default), check.clone());
        test.define("key2", Value::Number(10), check.clone());
        test.define("key3", Value::Flag(true), check);
        assert!(test.conf.valid());
        test
    }

    fn define(&mut self, key: &str, default: Value, check: Option<Check>) {
        let definition = Definition {
            key: key.to_owned(),
            default,
            check,
        };
        show(|report| self.conf.define(SECTION, definition, report));
    }

    fn set(&mut self, key: &str, value: Value) -> bool {
        show(|report| self.conf.set(SECTION, key, value, report))
    }

    fn values(&self) -> [Option<&Value>; 3] {
        ["key1", "key2", "key3"].map(|key| self.conf.get(SECTION, key))
    }

    /// Loads a file, shows the result, answers with the error number.
    fn load(&mut self, file: &str, ignore_unknown: bool) -> u8 {
        let result = show(|report| self.conf.load(Path::new(file), ignore_unknown, report));
        result.map_or_else(|e| u8::try_from(e.errno()).unwrap_or(u8::MAX), |()| 0)
    }

    fn dump(&self) {
        print!("{}", self.conf.dump());
    }
}

fn show<T>(act: impl FnOnce(&mut Report) -> T) -> T {
    let mut report = Report::new();
    let result = act(&mut report);
    report.print(Level::Error);
    result
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let status = match words.as_slice() {
        ["1"] => {
            let mut test = Test::with_section(None);
            assert!(test.conf.valid());
            test.conf.define_section(None, None);
            assert!(!test.conf.valid());
            0
        }
        ["2"] => {
            let mut test = Test::default();
            test.define("key1", Value::text("default"), None);
            assert!(!test.conf.valid());
            0
        }
        ["3"] => defined_twice(Value::text("value1")),
        ["4"] => defined_twice(Value::Number(10)),
        ["5"] => {
            let mut test = Test::with_keys("value1", None);
            test.conf.set_defaults();
            let expected = [Value::text("value1"), Value::Number(10), Value::Flag(true)];
            assert_eq!(test.values(), expected.each_ref().map(Some));
            0
        }
        ["6"] => set_and_forget(),
        ["7"] => refused(),
        ["8", file] => {
            let mut test = Test::with_section(Some(Rc::new(|_| false)));
            test.define("key1", Value::text("default"), None);
            let status = test.load(file, true);
            test.dump();
            status
        }
        ["9", file] => load_over_temporary(file, true),
        ["10", file] => load_over_temporary(file, false),
        ["11", file] => reload(file),
        _ => {
            eprintln!("Usage: conf_test <testnum> [<config>]");
            1
        }
    };
    ExitCode::from(status)
}

fn defined_twice(second: Value) -> u8 {
    let mut test = Test::with_section(None);
    test.define("key1", Value::Text(None), None);
    assert!(test.conf.valid());
    test.define("key1", second, None);
    assert!(!test.conf.valid());
    0
}

fn set_and_forget() -> u8 {
    let mut test = Test::with_keys("default", None);
    assert!(test.conf.is_default(SECTION, "key1"));
    assert!(test.set("key1", Value::text("foobar")));
    assert!(test.set("key2", Value::Number(20)));
    assert!(test.set("key3", Value::Flag(false)));
    assert!(!test.conf.is_default(SECTION, "key1"));
    test.dump();
    test.conf.set_defaults();
    let expected = [Value::text("default"), Value::Number(10), Value::Flag(true)];
    assert_eq!(test.values(), expected.each_ref().map(Some));
    0
}

fn refused() -> u8 {
    let mut test = Test::with_keys("default", Some(Rc::new(|_, _| false)));
    assert!(test.set("key1", Value::text("default")));
    assert!(!test.set("key1", Value::text("foobar")));
    assert!(!test.set("key2", Value::Number(20)));
    assert!(!test.set("key3", Value::Flag(false)));
    assert!(!test.set("key1", Value::Flag(false)));
    let expected = [Value::text("default"), Value::Number(10), Value::Flag(true)];
    assert_eq!(test.values(), expected.each_ref().map(Some));
    0
}

fn load_over_temporary(file: &str, ignore_unknown: bool) -> u8 {
    let mut test = Test::with_keys("value1", None);
    assert!(test.set("key3", Value::Flag(false)));
    let status = test.load(file, ignore_unknown);
    test.dump();
    status
}

fn reload(file: &str) -> u8 {
    let mut test = Test::with_keys("value1", None);
    assert_eq!(test.load(file, false), 0);
    std::fs::rename(format!("{file}.reload"), file).expect("the test made this file");
    show(|report| test.conf.reload(report)).expect("the test's file is good");
    test.dump();
    0
}
