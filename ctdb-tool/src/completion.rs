// SPDX-License-Identifier: GPL-3.0-or-later
//! The completion files for shells, made from the tables of commands and options. The files under `completion/` are
//! compared with this by a test; `CTDB_WRITE_COMPLETION=1 cargo test -p ctdb-tool` writes them anew.

use crate::args::{OPTIONS, OptionRow, Value};
use crate::table::{COMMANDS, Command};
use std::fmt::Write;

const NOTICE: &str =
    "# Made from the table of commands by ctdb-tool/src/completion.rs; do not edit.";

/// Words that may stand for an argument, read off the usage text: `on|off`, `[all]`, `leader|list|status`.
/// Empty when the argument is something to fill in.
fn choices(command: &Command) -> Vec<&'static str> {
    let mut words = Vec::new();
    for part in command.args.split_whitespace() {
        let bare = part.trim_matches(['[', ']']);
        words.extend(
            bare.split('|').filter(|w| {
                !w.is_empty() && w.chars().all(|c| c.is_ascii_alphabetic() || c == '_')
            }),
        );
    }
    words
}

/// Whether the first argument is a database, or may be.
fn takes_database(command: &Command) -> bool {
    command.args.contains("<dbname|dbid>")
}

/// Whether the last argument is a file.
fn takes_file(command: &Command) -> bool {
    command.args.contains("file>")
}

fn words(pick: impl Fn(&Command) -> bool) -> String {
    let names: Vec<&str> = COMMANDS
        .iter()
        .filter(|c| pick(c))
        .map(|c| c.name)
        .collect();
    names.join("|")
}

fn flags(option: &OptionRow) -> Vec<String> {
    let mut flags = vec![format!("-{}", option.short)];
    flags.extend(option.long.map(|long| format!("--{long}")));
    flags
}

/// `completion/ctdb.bash`.
pub fn bash() -> String {
    let all: Vec<&str> = COMMANDS.iter().map(|c| c.name).collect();
    let options: Vec<String> = OPTIONS.iter().flat_map(flags).collect();
    let valued: Vec<String> = OPTIONS
        .iter()
        .filter(|o| o.value != Value::None)
        .flat_map(flags)
        .collect();
    let mut cases = String::new();
    for command in COMMANDS.iter().filter(|c| !choices(c).is_empty()) {
        let _ = writeln!(
            cases,
            "\t{}) words='{}' ;;",
            command.name,
            choices(command).join(" ")
        );
    }
    format!(
        r#"{NOTICE}
_ctdb()
{{
	local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}}
	local command= at=0 index words=
	for ((index = 1; index < COMP_CWORD; index++)); do
		case ${{COMP_WORDS[index]}} in
		{valued}) ((index++)) ;;
		-*) ;;
		*)
			command=${{COMP_WORDS[index]}}
			at=$index
			break
			;;
		esac
	done
	case $before in
	-n | --node)
		COMPREPLY=($(compgen -W "$(ctdb -X listnodes 2>/dev/null | cut -d'|' -f2)" -- "$current"))
		return
		;;
	{valued}) return ;;
	esac
	if [[ $current == -* ]]; then
		COMPREPLY=($(compgen -W '{options} --help --usage' -- "$current"))
		return
	fi
	if [[ -z $command ]]; then
		COMPREPLY=($(compgen -W '{all}' -- "$current"))
		return
	fi
	case $command in
	help) words='{all}' ;;
	getvar | setvar)
		((COMP_CWORD == at + 1)) && words=$(ctdb listvars 2>/dev/null | cut -d' ' -f1)
		;;
{cases}	esac
	case $command in
	{databases})
		((COMP_CWORD == at + 1)) && words="$words $(ctdb -X getdbmap 2>/dev/null | tail -n +2 | cut -d'|' -f3)"
		;;
	esac
	case $command in
	{files}) COMPREPLY=($(compgen -f -- "$current")) ;;
	esac
	COMPREPLY+=($(compgen -W "$words" -- "$current"))
}}
complete -F _ctdb ctdb
"#,
        valued = valued.join(" | "),
        options = options.join(" "),
        all = all.join(" "),
        databases = words(takes_database).replace('|', " | "),
        files = words(takes_file).replace('|', " | "),
    )
}

/// `completion/_ctdb`, for zsh.
pub fn zsh() -> String {
    let mut text =
        format!("#compdef ctdb\n{NOTICE}\n_ctdb()\n{{\n\tlocal -a commands\n\tcommands=(\n");
    for command in COMMANDS {
        let help = command.help.trim_end_matches('.').replace(':', "\\:");
        let _ = writeln!(text, "\t\t'{}:{help}'", command.name);
    }
    text.push_str("\t)\n\t_arguments -C -s \\\n");
    for option in OPTIONS {
        let names = flags(option);
        let excluded = names.join(" ");
        for name in &names {
            let value = match option.value {
                Value::None => String::new(),
                Value::Text | Value::Int if option.short == 'n' => ":node:_ctdb_nodes".to_owned(),
                Value::Text | Value::Int => format!(":{}:", option.metavar.to_ascii_lowercase()),
            };
            let _ = writeln!(text, "\t\t'({excluded}){name}[{}]{value}' \\", option.help);
        }
    }
    text.push_str(
        "\t\t'(- *)'{-\\?,--help}'[show help]' \\\n\t\t'1:command:->command' \\\n\t\t'*::argument:->argument'\n\
         \tcase $state in\n\tcommand) _describe command commands ;;\n\targument)\n\t\tcase $words[1] in\n\
         \t\thelp) _describe command commands ;;\n\
         \t\tgetvar|setvar) (( CURRENT == 2 )) && compadd -- $(ctdb listvars 2>/dev/null | cut -d' ' -f1) ;;\n",
    );
    for command in COMMANDS.iter().filter(|c| !choices(c).is_empty()) {
        let databases = if takes_database(command) {
            "; (( CURRENT == 2 )) && _ctdb_databases"
        } else {
            ""
        };
        let _ = writeln!(
            text,
            "\t\t{}) compadd -- {}{databases} ;;",
            command.name,
            choices(command).join(" ")
        );
    }
    let _ = writeln!(
        text,
        "\t\t{})\n\t\t\t(( CURRENT == 2 )) && _ctdb_databases || _files\n\t\t\t;;",
        words(|c| takes_database(c) && choices(c).is_empty())
    );
    text.push_str(
        "\t\t*) _files ;;\n\t\tesac\n\t\t;;\n\tesac\n}\n\
         _ctdb_nodes()\n{\n\tcompadd -- $(ctdb -X listnodes 2>/dev/null | cut -d'|' -f2)\n}\n\
         _ctdb_databases()\n{\n\tcompadd -- $(ctdb -X getdbmap 2>/dev/null | tail -n +2 | cut -d'|' -f3)\n}\n\
         _ctdb \"$@\"\n",
    );
    text
}

/// `completion/ctdb.fish`.
pub fn fish() -> String {
    let valued: Vec<String> = OPTIONS
        .iter()
        .filter(|o| o.value != Value::None)
        .flat_map(flags)
        .collect();
    // fish's own helpers would take the value of an option for a command
    let mut text = format!(
        r#"{NOTICE}
function __ctdb_command -d 'the command in the line, if there is one'
	set -l words (commandline -opc)
	set -e words[1]
	while set -q words[1]
		switch $words[1]
			case {valued}
				set -e words[1]
			case '-*'
			case '*'
				echo $words[1]
				return 0
		end
		set -e words[1]
	end
	return 1
end
function __ctdb_is -d 'whether the command is one of these'
	contains -- (__ctdb_command; or echo -) $argv
end
complete -c ctdb -f
"#,
        valued = valued.join(" ")
    );
    for option in OPTIONS {
        let long = option
            .long
            .map(|long| format!(" -l {long}"))
            .unwrap_or_default();
        let value = match option.value {
            Value::None => "",
            Value::Text | Value::Int if option.short == 'n' => {
                " -x -a '(ctdb -X listnodes 2>/dev/null | cut -d\"|\" -f2)'"
            }
            Value::Text | Value::Int => " -x",
        };
        let _ = writeln!(
            text,
            "complete -c ctdb -s {}{long}{value} -d '{}'",
            option.short, option.help
        );
    }
    for command in COMMANDS {
        let _ = writeln!(
            text,
            "complete -c ctdb -n 'not __ctdb_command' -a {} -d '{}'",
            command.name,
            command.help.trim_end_matches('.')
        );
    }
    let seen = |name: &str| format!("complete -c ctdb -n '__ctdb_is {name}'");
    let all: Vec<&str> = COMMANDS.iter().map(|c| c.name).collect();
    let _ = writeln!(text, "{} -a '{}'", seen("help"), all.join(" "));
    for command in COMMANDS {
        if !choices(command).is_empty() {
            let _ = writeln!(
                text,
                "{} -a '{}'",
                seen(command.name),
                choices(command).join(" ")
            );
        }
        if takes_database(command) {
            let list = "(ctdb -X getdbmap 2>/dev/null | tail -n +2 | cut -d\"|\" -f3)";
            let _ = writeln!(text, "{} -a '{list}'", seen(command.name));
        }
        if takes_file(command) {
            let _ = writeln!(text, "{} -F", seen(command.name));
        }
    }
    for name in ["getvar", "setvar"] {
        let _ = writeln!(
            text,
            "{} -a '(ctdb listvars 2>/dev/null | cut -d\" \" -f1)'",
            seen(name)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_up_to_date() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("completion");
        for (name, wanted) in [
            ("ctdb.bash", bash()),
            ("_ctdb", zsh()),
            ("ctdb.fish", fish()),
        ] {
            let path = folder.join(name);
            if std::env::var_os("CTDB_WRITE_COMPLETION").is_some() {
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(&path, &wanted).unwrap();
            }
            let found = std::fs::read_to_string(&path).unwrap();
            assert!(found == wanted, "{} is out of date", path.display());
        }
    }

    #[test]
    fn words_to_choose_from_are_read_off_the_usage() {
        let find = |name| crate::table::find(name).unwrap();
        assert_eq!(choices(find("setleaderrole")), ["on", "off"]);
        assert_eq!(choices(find("ip")).first(), Some(&"all"));
        assert!(choices(find("getvar")).is_empty());
        assert!(takes_database(find("catdb")));
        assert!(takes_file(find("restoredb")));
    }
}
