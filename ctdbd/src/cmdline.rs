//! Command lines of the form `program [options] command [arguments]`, with the help texts of
//! upstream's programs (popt's layout). Used by `ctdb-config`, `ctdb-path` and `ctdb-event`.

use std::fmt::Write as _;

/// Longest name with arguments, and longest help of a command.
const LONGEST: usize = 80;
/// Where brief usage is wrapped.
const USAGE_WIDTH: usize = 79;

/// What an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A number.
    Number,
    /// Nothing. Not supported: an option here always has a value.
    Nothing,
}

/// Takes an option's value over; false if the value is no good.
pub type Store<C> = fn(&mut C, &str) -> bool;

/// An option.
#[derive(Debug)]
pub struct OptionSpec<C> {
    /// `--NAME`.
    pub long: Option<&'static str>,
    /// `-N`.
    pub short: char,
    /// What it takes.
    pub kind: Kind,
    /// Where the value goes.
    pub store: Option<Store<C>>,
    /// What it does.
    pub help: &'static str,
    /// The value's name in the help text, if not the name of its kind.
    pub value_name: Option<&'static str>,
}

/// Carries a command out; the result is the exit code.
pub type Run<C> = fn(&mut C, &Cmdline<C>, &[String]) -> i32;

/// A command.
#[derive(Debug)]
pub struct CommandSpec<C: 'static> {
    /// One or more words.
    pub name: &'static str,
    /// What it is.
    pub run: Option<Run<C>>,
    /// What it does, in words.
    pub help: Option<&'static str>,
    /// Its arguments.
    pub arguments: Option<&'static str>,
}

impl<C: 'static> CommandSpec<C> {
    /// A command that is complete but for its arguments.
    pub const fn new(name: &'static str, run: Run<C>, help: &'static str) -> Self {
        Self {
            name,
            run: Some(run),
            help: Some(help),
            arguments: None,
        }
    }

    /// With arguments.
    #[must_use]
    pub const fn taking(mut self, arguments: &'static str) -> Self {
        self.arguments = Some(arguments);
        self
    }

    fn check(&self) -> Result<usize, String> {
        let Self { name, .. } = self;
        if self.run.is_none() {
            return Err(format!("Command '{name}' has no implementation function"));
        }
        let Some(help) = self.help else {
            return Err(format!("Command '{name}' has no help msg"));
        };
        let length = name.len() + self.arguments.unwrap_or("").len();
        if length > LONGEST {
            return Err(format!("Command '{name}' is too long ({length})"));
        }
        if help.len() > LONGEST {
            return Err(format!("Command '{name}' help too long ({})", help.len()));
        }
        Ok(length)
    }
}

impl<C> OptionSpec<C> {
    fn check(&self) -> Result<(), String> {
        let Some(name) = self.long else {
            return Err("Option has no long name".to_owned());
        };
        if self.kind == Kind::Nothing {
            return Err(format!("Option '{name}' has unsupported type"));
        }
        if self.store.is_none() {
            return Err(format!("Option '{name}' has invalid arg"));
        }
        Ok(())
    }

    fn long(&self) -> &'static str {
        self.long.unwrap_or("")
    }

    fn value_name(&self) -> &'static str {
        self.value_name.unwrap_or(match self.kind {
            Kind::Text => "STRING",
            Kind::Number => "INT",
            Kind::Nothing => "",
        })
    }
}

/// A program's options and commands.
#[derive(Debug)]
pub struct Cmdline<C: 'static> {
    program: String,
    options: &'static [OptionSpec<C>],
    sections: Vec<Section<C>>,
    longest: usize,
}

#[derive(Debug)]
struct Section<C: 'static> {
    name: Option<&'static str>,
    commands: &'static [CommandSpec<C>],
}

/// A command line that names a command.
#[derive(Debug)]
pub struct Parsed<C: 'static> {
    command: &'static CommandSpec<C>,
    /// What follows the command.
    pub arguments: Vec<String>,
}

/// A command line that does not, or that asks for help.
#[derive(Debug, PartialEq, Eq)]
pub struct Stop {
    /// EINVAL: bad option or nothing at all; ENOENT: no such command; EAGAIN: help.
    pub errno: i32,
    /// For standard error.
    pub problem: Option<String>,
    /// For standard output.
    pub usage: String,
}

impl<C> Cmdline<C> {
    /// A program with a first section of commands.
    ///
    /// # Errors
    /// What is wrong with a definition.
    pub fn new(
        program: &str,
        options: &'static [OptionSpec<C>],
        section: Option<&'static str>,
        commands: &'static [CommandSpec<C>],
    ) -> Result<Self, String> {
        options.iter().try_for_each(OptionSpec::check)?;
        let mut cmdline = Self {
            program: program.to_owned(),
            options,
            sections: Vec::new(),
            longest: 0,
        };
        cmdline.add(section, commands)?;
        Ok(cmdline)
    }

    /// Adds a section of commands.
    ///
    /// # Errors
    /// As for [`Cmdline::new`].
    pub fn add(
        &mut self,
        name: Option<&'static str>,
        commands: &'static [CommandSpec<C>],
    ) -> Result<(), String> {
        for command in commands {
            self.longest = self.longest.max(command.check()?);
        }
        self.sections.push(Section { name, commands });
        Ok(())
    }

    /// Takes a command line apart (without the program's name) and stores the options.
    ///
    /// # Errors
    /// There is no command to run: print what the error says and end.
    pub fn parse(&self, arguments: &[String], context: &mut C) -> Result<Parsed<C>, Stop> {
        if arguments.is_empty() {
            return Err(self.stop(libc::EINVAL, None));
        }
        let mut words = Vec::new();
        let mut help = false;
        let mut rest = arguments.iter();
        while let Some(word) = rest.next() {
            if word == "--" {
                words.extend(rest.by_ref().cloned());
            } else if word == "-h" || word == "--help" {
                help = true;
            } else if word.len() > 1 && word.starts_with('-') {
                self.option(word, &mut rest, context)
                    .map_err(|problem| Stop {
                        problem: Some(problem),
                        ..self.stop(libc::EINVAL, None)
                    })?;
            } else {
                words.push(word.clone());
            }
        }
        let found = self.find(&words);
        if help {
            let name = found.as_ref().ok().map(|parsed| parsed.command.name);
            return Err(self.stop(libc::EAGAIN, name));
        }
        found
    }

    /// Takes the command off the front of a command line without options.
    ///
    /// # Errors
    /// As for [`Cmdline::parse`].
    pub fn find(&self, words: &[String]) -> Result<Parsed<C>, Stop> {
        if words.is_empty() {
            return Err(self.stop(libc::EINVAL, None));
        }
        self.commands()
            .find_map(|command| {
                let name: Vec<&str> = command.name.split(' ').collect();
                let (front, arguments) = words.split_at_checked(name.len())?;
                (front == name).then(|| Parsed {
                    command,
                    arguments: arguments.to_vec(),
                })
            })
            .ok_or_else(|| self.stop(libc::ENOENT, None))
    }

    fn commands(&self) -> impl Iterator<Item = &'static CommandSpec<C>> {
        self.sections.iter().flat_map(|section| section.commands)
    }

    fn option<'a>(
        &self,
        word: &str,
        rest: &mut impl Iterator<Item = &'a String>,
        context: &mut C,
    ) -> Result<(), String> {
        let (name, attached) = match word.strip_prefix("--") {
            Some(long) => match long.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (long, None),
            },
            None => {
                let after = word.char_indices().nth(2).map_or(word.len(), |(at, _)| at);
                let value = word[after..]
                    .strip_prefix('=')
                    .unwrap_or_else(|| &word[after..]);
                (&word[1..after], Some(value).filter(|v| !v.is_empty()))
            }
        };
        let problem = |what: &str| format!("Invalid option {word}: {what}");
        let long = word.starts_with("--");
        let spec = self
            .options
            .iter()
            .find(|o| {
                if long {
                    o.long == Some(name)
                } else {
                    name.chars().eq([o.short])
                }
            })
            .ok_or_else(|| problem("unknown option"))?;
        let value = match attached {
            Some(value) => value,
            None => rest.next().ok_or_else(|| problem("missing argument"))?,
        };
        let store = spec.store.expect("checked in new()");
        if store(context, value) {
            Ok(())
        } else {
            Err(problem("invalid numeric value"))
        }
    }

    fn stop(&self, errno: i32, command: Option<&str>) -> Stop {
        Stop {
            errno,
            problem: None,
            usage: self.usage(command),
        }
    }

    /// Help for a command, or for the whole program.
    #[must_use]
    pub fn usage(&self, command: Option<&str>) -> String {
        let found = command.and_then(|name| self.commands().find(|c| c.name == name));
        match found {
            Some(command) => self.brief(command),
            None => self.full(),
        }
    }

    fn full(&self) -> String {
        let mut text = format!("Usage: {} [<options>] <command> [<args>]\n", self.program);
        let help = ("-h, --help".to_owned(), "Show this help message");
        let own: Vec<(String, &str)> = self
            .options
            .iter()
            .map(|o| {
                let left = format!("-{}, --{}={}", o.short, o.long(), o.value_name());
                (left, o.help)
            })
            .collect();
        let lengths = own.iter().map(|(left, _)| left.len());
        let width = lengths.max().unwrap_or(0).max(help.0.len());
        let mut group = |title: &str, rows: &[(String, &str)]| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "\n{title}");
            for (left, right) in rows {
                let _ = writeln!(text, "  {left:width$}     {right}");
            }
        };
        group("Help Options:", &[help]);
        if !own.is_empty() {
            group("Options:", &own);
        }
        for section in &self.sections {
            let title = section
                .name
                .map(|name| format!("{name} "))
                .unwrap_or_default();
            let _ = writeln!(text, "\n{title}Commands:");
            for command in section.commands {
                self.row(&mut text, command, self.longest - command.name.len());
            }
        }
        text
    }

    fn brief(&self, command: &CommandSpec<C>) -> String {
        let mut text = format!("Usage: {}", self.program);
        let mut column = text.len();
        let options = self
            .options
            .iter()
            .map(|o| format!("[-{}|--{}={}]", o.short, o.long(), o.value_name()));
        let items = ["[-h]".to_owned(), "[-h|--help]".to_owned()]
            .into_iter()
            .chain(options)
            .chain(["<command> [<args>]".to_owned()]);
        for item in items {
            if column + 1 + item.len() > USAGE_WIDTH {
                text.push_str("\n       ");
                column = 7;
            }
            let _ = write!(text, " {item}");
            column += 1 + item.len();
        }
        text.push_str("\n\n");
        self.row(&mut text, command, 0);
        text
    }

    fn row(&self, text: &mut String, command: &CommandSpec<C>, width: usize) {
        let arguments = command.arguments.unwrap_or("");
        let help = command.help.unwrap_or("");
        let _ = writeln!(text, "  {} {arguments:width$}     {help}", command.name);
    }
}

impl<C> Parsed<C> {
    /// Runs the command.
    pub fn run(&self, cmdline: &Cmdline<C>, context: &mut C) -> i32 {
        let run = self.command.run.expect("checked in add()");
        run(context, cmdline, &self.arguments)
    }
}

/// Everything that a program of this form does: exit code 1 if the command line is no good.
pub fn main<C>(cmdline: &Cmdline<C>, context: &mut C) -> i32 {
    let arguments: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    match cmdline.parse(&arguments, context) {
        Ok(parsed) => parsed.run(cmdline, context),
        Err(stop) => {
            if let Some(problem) = stop.problem {
                eprintln!("{problem}");
            }
            print!("{}", stop.usage);
            1
        }
    }
}

/// The words of a command line, for tests.
#[cfg(test)]
pub(crate) fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}
