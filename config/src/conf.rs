// SPDX-License-Identifier: GPL-3.0-or-later
//! Sections, options and their values, whatever they are called: the machinery under
//! [`crate::options`]. Answers to upstream's `conf` module and speaks its messages.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::level::Level;
use crate::lines::{self, Item};
use crate::number;
use crate::old_settings;
use crate::report::{LoadError, Report};

/// What an option holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text; `None` is "not set".
    Text(Option<String>),
    /// A number from 0 up.
    Number(i32),
    /// Yes or no.
    Flag(bool),
}

impl Value {
    /// A text value.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(Some(text.into()))
    }

    /// A value of the same kind as `self` out of a file.
    fn read_same_kind(&self, text: &str) -> Option<Self> {
        match self {
            Self::Text(_) => Some(Self::text(text)),
            // As in C, what follows the digits is not looked at.
            Self::Number(_) => match i32::try_from(number::leading(text).0) {
                Ok(n) if n >= 0 => Some(Self::Number(n)),
                _ => None,
            },
            Self::Flag(_) => {
                let is = |word: &str| text.eq_ignore_ascii_case(word);
                if is("true") || is("yes") {
                    Some(Self::Flag(true))
                } else if is("false") || is("no") {
                    Some(Self::Flag(false))
                } else {
                    None
                }
            }
        }
    }

    fn same_kind(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text.as_deref().unwrap_or("")),
            Self::Number(n) => write!(f, "{n}"),
            Self::Flag(flag) => write!(f, "{flag}"),
        }
    }
}

/// Why a value is being set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The file is read for the first time.
    Load,
    /// The file is read again.
    Reload,
    /// The program sets the value.
    Api,
}

/// A value about to be set, for a check to look at.
#[derive(Debug)]
pub struct Change<'a> {
    /// The option's section.
    pub section: &'a str,
    /// The option's name.
    pub key: &'a str,
    /// The value in force.
    pub old: &'a Value,
    /// The value to be.
    pub new: &'a Value,
    /// On which occasion.
    pub mode: Mode,
}

/// Says whether a value may be set; explains itself in the report.
pub type Check = Rc<dyn Fn(&Change<'_>, &mut Report) -> bool>;

/// Says whether a section as a whole is good.
pub type SectionCheck = Rc<dyn Fn(Mode) -> bool>;

/// An option's definition.
#[derive(Clone)]
pub struct Definition {
    /// Its name.
    pub key: String,
    /// Its value when nothing sets it; also says what kind of value it holds.
    pub default: Value,
    /// What its values must satisfy.
    pub check: Option<Check>,
}

struct Setting {
    definition: Definition,
    /// `None` is the default.
    set: Option<Value>,
    /// Set by the program: a later load replaces it.
    temporary: bool,
}

impl Setting {
    fn value(&self) -> &Value {
        self.set.as_ref().unwrap_or(&self.definition.default)
    }
}

struct Section {
    name: String,
    check: Option<SectionCheck>,
    /// Shown by [`Conf::dump`] only when something in it is set.
    hidden: bool,
    settings: Vec<Setting>,
}

/// All sections with the values in force.
#[derive(Default)]
pub struct Conf {
    sections: Vec<Section>,
    /// What was loaded last, and whether unknown names were let pass.
    loaded: Option<(PathBuf, bool)>,
    /// A definition failed; nothing may be used then.
    broken: bool,
}

/// Defining.
impl Conf {
    /// No sections.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a section.
    pub fn define_section(&mut self, name: Option<&str>, check: Option<SectionCheck>) {
        match name {
            Some(name) if self.section(name).is_none() => self.sections.push(Section {
                name: name.to_owned(),
                check,
                hidden: false,
                settings: Vec::new(),
            }),
            _ => self.broken = true,
        }
    }

    /// Keeps a section out of [`Conf::dump`] while nothing in it is set.
    pub fn hide_section(&mut self, name: &str) {
        if let Some(section) = self.section_mut(name) {
            section.hidden = true;
        }
    }

    /// Adds an option to a section.
    pub fn define(&mut self, section: &str, definition: Definition, report: &mut Report) {
        let Some(found) = self.section_mut(section) else {
            report.error(format!("conf: unknown section [{section}]"));
            self.broken = true;
            return;
        };
        let key = &definition.key;
        if found.settings.iter().any(|s| s.definition.key == *key) {
            report.error(format!("conf: option \"{key}\" already exists"));
            self.broken = true;
            return;
        }
        found.settings.push(Setting {
            definition,
            set: None,
            temporary: false,
        });
    }

    /// Whether all definitions went well.
    pub fn valid(&self) -> bool {
        !self.broken
    }
}

/// Reading and writing single values.
impl Conf {
    /// An option's value.
    pub fn get(&self, section: &str, key: &str) -> Option<&Value> {
        self.setting(section, key).map(Setting::value)
    }

    /// Whether an option has its default value because nothing set it.
    pub fn is_default(&self, section: &str, key: &str) -> bool {
        self.setting(section, key).is_some_and(|s| s.set.is_none())
    }

    /// Sets an option until the next load; false if there is no such option of this kind or
    /// the value is refused.
    pub fn set(&mut self, section: &str, key: &str, value: Value, report: &mut Report) -> bool {
        let section_check = self.section(section).and_then(|s| s.check.clone());
        let Some(found) = self.section_mut(section) else {
            return false;
        };
        let name = found.name.clone();
        let Some(setting) = found.settings.iter_mut().find(|s| s.definition.key == key) else {
            return false;
        };
        if !setting.value().same_kind(&value) {
            return false;
        }
        if *setting.value() == value {
            return true;
        }
        if !accepts(setting, &name, &value, Mode::Api, report) {
            return false;
        }
        if section_check.is_some_and(|check| !check(Mode::Api)) {
            report.error(format!("conf: validation for section [{name}] failed"));
            return false;
        }
        setting.set = Some(value);
        setting.temporary = true;
        true
    }

    /// Forgets everything that was set.
    pub fn set_defaults(&mut self) {
        for setting in self.sections.iter_mut().flat_map(|s| &mut s.settings) {
            setting.set = None;
        }
    }

    /// All sections and options, as `ctdb-config dump` prints them.
    pub fn dump(&self) -> String {
        let mut text = String::new();
        for section in &self.sections {
            if section.hidden && section.settings.iter().all(|s| s.set.is_none()) {
                continue;
            }
            // Writing to a String cannot fail.
            let _ = writeln!(text, "[{}]", section.name);
            for setting in &section.settings {
                let default = setting.set.is_none() || *setting.value() == Value::Text(None);
                let comment = if default { "# " } else { "" };
                let mark = if setting.temporary {
                    " # temporary"
                } else {
                    ""
                };
                let key = &setting.definition.key;
                let _ = writeln!(text, "\t{comment}{key} = {}{mark}", setting.value());
            }
        }
        text
    }
}

/// Loading.
impl Conf {
    /// Reads a file over the defaults. On an error all values stay as they were, but the whole
    /// file has been looked at and everything wrong in it is in the report.
    /// With `ignore_unknown`, names that are not defined are only noted: at level NOTICE when the file is read for
    /// the first time, each once, else at DEBUG.
    pub fn load(
        &mut self,
        path: &Path,
        ignore_unknown: bool,
        report: &mut Report,
    ) -> Result<(), LoadError> {
        self.loaded = Some((path.to_owned(), ignore_unknown));
        report.add(
            Level::Notice,
            format!("Reading config file {}", path.display()),
        );
        self.read(path, ignore_unknown, Mode::Load, report)
    }

    /// Reads the same file again.
    pub fn reload(&mut self, report: &mut Report) -> Result<(), LoadError> {
        let Some((path, ignore_unknown)) = self.loaded.clone() else {
            return Err(LoadError::invalid("(no file)"));
        };
        report.add(
            Level::Notice,
            format!("Re-reading config file {}", path.display()),
        );
        self.read(&path, ignore_unknown, Mode::Reload, report)
    }

    fn read(
        &mut self,
        path: &Path,
        ignore_unknown: bool,
        mode: Mode,
        report: &mut Report,
    ) -> Result<(), LoadError> {
        let text = std::fs::read(path).map_err(|e| LoadError::read(path, &e))?;
        let mut reading = Reading {
            conf: self,
            ignore_unknown,
            mode,
            section: None,
            in_unknown: false,
            named: BTreeSet::new(),
            fresh: Vec::new(),
            good: true,
        };
        for (line, item) in lines::items(&text) {
            report.at(Some(line));
            reading.take(item, report);
        }
        report.at(None);
        reading.end_section(report);
        let Reading { fresh, good, .. } = reading;
        if !good {
            return Err(LoadError::invalid(path));
        }
        self.set_defaults();
        for setting in self.sections.iter_mut().flat_map(|s| &mut s.settings) {
            setting.temporary = false;
        }
        for (section, option, value) in fresh {
            self.sections[section].settings[option].set = Some(value);
        }
        Ok(())
    }

    fn section(&self, name: &str) -> Option<&Section> {
        self.sections
            .iter()
            .find(|s| s.name.eq_ignore_ascii_case(name))
    }

    fn section_mut(&mut self, name: &str) -> Option<&mut Section> {
        self.sections
            .iter_mut()
            .find(|s| s.name.eq_ignore_ascii_case(name))
    }

    fn setting(&self, section: &str, key: &str) -> Option<&Setting> {
        self.section(section)?
            .settings
            .iter()
            .find(|s| s.definition.key == key)
    }
}

fn accepts(setting: &Setting, section: &str, new: &Value, mode: Mode, report: &mut Report) -> bool {
    let Definition { key, check, .. } = &setting.definition;
    let Some(check) = check else {
        return true;
    };
    let change = Change {
        section,
        key,
        old: setting.value(),
        new,
        mode,
    };
    let good = check(&change, report);
    if !good {
        report.error(format!("conf: validation for option \"{key}\" failed"));
    }
    good
}

/// A file on its way into a [`Conf`].
struct Reading<'a> {
    conf: &'a Conf,
    ignore_unknown: bool,
    mode: Mode,
    /// Index of the section that options now belong to.
    section: Option<usize>,
    /// They belong to a section that nobody knows, which was named as a whole.
    in_unknown: bool,
    /// Unknown names that were told.
    named: BTreeSet<String>,
    /// Values to take over at the end: index of section and option.
    fresh: Vec<(usize, usize, Value)>,
    good: bool,
}

impl Reading<'_> {
    fn take(&mut self, item: Item, report: &mut Report) {
        match item {
            Item::Section(name) => self.begin_section(&name, report),
            // A name without "=" says nothing, as in C.
            Item::Option { value: None, .. } => {}
            Item::Option {
                name,
                value: Some(value),
            } => self.option(&name, &value, report),
            Item::Broken => {
                self.good = false;
                report.error("conf: syntax error");
            }
        }
    }

    fn begin_section(&mut self, name: &str, report: &mut Report) {
        self.end_section(report);
        self.section = self
            .conf
            .sections
            .iter()
            .position(|s| s.name.eq_ignore_ascii_case(name));
        self.in_unknown = self.section.is_none();
        if self.in_unknown {
            if self.ignore_unknown {
                self.note(format!("conf: ignoring unknown section [{name}]"), report);
            } else {
                self.fail(format!("conf: unknown section [{name}]"), report);
            }
        }
    }

    fn end_section(&mut self, report: &mut Report) {
        let Some(index) = self.section.take() else {
            return;
        };
        let Section { name, check, .. } = &self.conf.sections[index];
        if check.as_ref().is_some_and(|check| !check(self.mode)) {
            self.fail(
                format!("conf: validation for section [{name}] failed"),
                report,
            );
        }
    }

    fn option(&mut self, key: &str, text: &str, report: &mut Report) {
        let Some(index) = self.section else {
            self.unknown(
                key,
                format!("conf: unknown section for option \"{key}\""),
                report,
            );
            return;
        };
        let section = &self.conf.sections[index];
        let name = &section.name;
        let place = section
            .settings
            .iter()
            .position(|s| s.definition.key == key);
        let Some(place) = place else {
            self.unknown(
                key,
                format!("conf: unknown option [{name}] -> \"{key}\""),
                report,
            );
            return;
        };
        let setting = &section.settings[place];
        if text.is_empty() {
            self.fail(format!("conf: empty value [{name}] -> \"{key}\""), report);
            return;
        }
        let Some(value) = setting.definition.default.read_same_kind(text) else {
            self.fail(
                format!("conf: invalid value [{name}] -> \"{key}\" = \"{text}\""),
                report,
            );
            return;
        };
        // What the program set is gone after a load, also where the file agrees with it.
        let was_temporary = setting.temporary && *setting.value() == value;
        if value == setting.definition.default || was_temporary {
            self.fresh.retain(|(s, o, _)| (*s, *o) != (index, place));
        } else if *setting.value() == value || accepts(setting, name, &value, self.mode, report) {
            self.fresh.push((index, place, value));
        } else {
            self.good = false;
        }
    }

    fn unknown(&mut self, key: &str, text: String, report: &mut Report) {
        if !self.ignore_unknown {
            self.fail(text, report);
        } else if self.in_unknown {
            report.add(Level::Debug, text);
        } else {
            let hint = old_settings::hint(key).map(|hint| format!(" ({hint})"));
            self.note(text + hint.as_deref().unwrap_or_default(), report);
        }
    }

    /// An unknown name that does no harm, told once.
    fn note(&mut self, text: String, report: &mut Report) {
        let first = self.mode == Mode::Load && self.named.insert(text.clone());
        let level = if first { Level::Notice } else { Level::Debug };
        report.add(level, text);
    }

    fn fail(&mut self, text: String, report: &mut Report) {
        self.good = false;
        report.error(text);
    }
}
