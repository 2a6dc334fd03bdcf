//! `ctdb-db-test`: looks into databases behind the daemon's back. Exit statuses are error numbers,
//! as upstream's.

use std::io::{Read, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Arg, Command, value_parser};
use ctdb_client::database::Database;
use ctdb_client::{Client, ControlError};
use ctdb_protocol::control::{DbVacuum, GetDbMap, GetDbName, GetVnnMap};
use ctdb_protocol::hash::hash;
use ctdb_protocol::types::{self, DbFlags, LtdbHeader, RecordFlags};
use ctdb_protocol::{DbId, Pnn};
use tdb::StoreMode;

use crate::options::default_socket;

/// An exit status other than 0, and the words for standard error.
struct Refusal(u8, String);

impl<E: std::error::Error> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self(1, error.to_string())
    }
}

fn refuse(status: i32, words: impl Into<String>) -> Refusal {
    Refusal(u8::try_from(status).unwrap_or(1), words.into())
}

/// What the command line says.
struct Options {
    node: Pnn,
    timelimit: Duration,
    words: Vec<String>,
}

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    match options().and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Refusal(status, words)) => {
            if !words.is_empty() {
                eprintln!("{words}");
            }
            ExitCode::from(status)
        }
    }
}

fn options() -> Result<Options, Refusal> {
    let number = || value_parser!(u32);
    let mut matches = Command::new("ctdb-db-test")
        .arg(Arg::new("debug").short('d').long("debug"))
        .arg(
            Arg::new("node")
                .short('n')
                .long("node")
                .value_parser(number()),
        )
        .arg(
            Arg::new("timelimit")
                .short('t')
                .long("timelimit")
                .value_parser(number()),
        )
        .arg(Arg::new("words").num_args(0..).trailing_var_arg(true))
        .try_get_matches()?;
    let seconds = matches.remove_one::<u32>("timelimit").unwrap_or(60);
    Ok(Options {
        node: matches.remove_one("node").map_or(Pnn::CURRENT, Pnn),
        timelimit: Duration::from_secs(seconds.into()),
        words: matches
            .remove_many("words")
            .map(Iterator::collect)
            .unwrap_or_default(),
    })
}

fn run(options: &Options) -> Result<(), Refusal> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let words: Vec<&str> = options.words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["get-lmaster", key] => runtime.block_on(get_lmaster(key)),
        ["fetch-local-delete", db, key] => runtime.block_on(fetch_local_delete(options, db, key)),
        ["local-read", db, key] => runtime.block_on(local_read(options, db, key)),
        ["vacuum", db] => runtime.block_on(vacuum(options, db, false)),
        ["vacuum", db, "full"] => runtime.block_on(vacuum(options, db, true)),
        ["local-lock", db, key] => {
            let db = runtime.block_on(attach(options, db))?;
            drop(runtime);
            local_lock(&db, key)
        }
        _ => Err(refuse(
            1,
            "Usage: ctdb-db-test [<options>] get-lmaster <key>\n\
             \tfetch-local-delete|local-lock|local-read <dbname|dbid> <key>\n\
             \tvacuum <dbname|dbid> [full]",
        )),
    }
}

async fn connect() -> Result<Client, Refusal> {
    let socket = default_socket().map_err(|error| refuse(1, error.to_string()))?;
    Ok(Client::connect(socket).await?)
}

async fn get_lmaster(key: &str) -> Result<(), Refusal> {
    let map = connect()
        .await?
        .control::<GetVnnMap>(Pnn::CURRENT, &())
        .await?;
    let place = (hash(key.as_bytes()) as usize).checked_rem(map.nodes.len());
    let lmaster = place
        .and_then(|place| map.nodes.get(place))
        .ok_or_else(|| refuse(1, "no map"))?;
    println!("{lmaster}");
    Ok(())
}

/// A database by name or id.
async fn find(
    client: &Client,
    options: &Options,
    wanted: &str,
) -> Result<(DbId, String, DbFlags), Refusal> {
    let map = client.control::<GetDbMap>(options.node, &()).await?;
    let id = wanted
        .strip_prefix("0x")
        .and_then(|id| u32::from_str_radix(id, 16).ok())
        .map(DbId);
    for db in &map.dbs {
        let name = client
            .control::<GetDbName>(options.node, &db.db_id)
            .await?
            .to_string();
        if id.map_or(name == wanted, |id| id == db.db_id) {
            return Ok((db.db_id, name, db.flags));
        }
    }
    Err(refuse(
        libc::ENOENT,
        format!("No database matching '{wanted}' found"),
    ))
}

/// A volatile database by name or id.
async fn find_volatile(
    client: &Client,
    options: &Options,
    wanted: &str,
) -> Result<(DbId, String, DbFlags), Refusal> {
    let found = find(client, options, wanted).await?;
    let (_, name, flags) = &found;
    if flags.intersects(DbFlags::PERSISTENT | DbFlags::REPLICATED) {
        return Err(refuse(
            libc::EINVAL,
            format!("DB {name} is not a volatile database"),
        ));
    }
    Ok(found)
}

async fn attach(options: &Options, wanted: &str) -> Result<Database, Refusal> {
    let client = connect().await?;
    let (_, name, flags) = find_volatile(&client, options, wanted).await?;
    Ok(client.attach(&name, flags).await?)
}

async fn fetch_local_delete(options: &Options, db: &str, key: &str) -> Result<(), Refusal> {
    let db = attach(options, db).await?;
    let record = db.fetch_lock(key.as_bytes(), false).await?;
    // Not by the record: the daemon shall not hear of it.
    db.tdb().store(
        key.as_bytes(),
        &record.header().join(&[]),
        StoreMode::Replace,
    )?;
    Ok(())
}

async fn local_read(options: &Options, db: &str, key: &str) -> Result<(), Refusal> {
    let db = attach(options, db).await?;
    let value = db.tdb().fetch(key.as_bytes())?;
    let value = value.ok_or_else(|| refuse(1, format!("No record for key {key}")))?;
    let (header, data) = LtdbHeader::split(&value)?;
    println!("dmaster: {}", header.dmaster);
    println!("rsn: {}", header.rsn);
    println!(
        "flags: 0x{:08x}{}",
        header.flags.bits(),
        flag_names(header.flags)
    );
    println!("data({}) = \"{}\"", data.len(), escaped(data));
    Ok(())
}

fn flag_names(flags: RecordFlags) -> String {
    let named = [
        (RecordFlags::MIGRATED_WITH_DATA, " MIGRATED_WITH_DATA"),
        (RecordFlags::VACUUM_MIGRATED, " VACUUM_MIGRATED"),
        (RecordFlags::AUTOMATIC, " AUTOMATIC"),
        (RecordFlags::RO_HAVE_DELEGATIONS, " RO_HAVE_DELEGATIONS"),
        (RecordFlags::RO_HAVE_READONLY, " RO_HAVE_READONLY"),
        (RecordFlags::RO_REVOKING_READONLY, " RO_REVOKING_READONLY"),
        (RecordFlags::RO_REVOKE_COMPLETE, " RO_REVOKE_COMPLETE"),
    ];
    named
        .iter()
        .filter(|(flag, _)| flags.contains(*flag))
        .map(|(_, name)| *name)
        .collect()
}

fn escaped(data: &[u8]) -> String {
    let mut text = String::new();
    for byte in data {
        match byte {
            b'"' | b'\\' => text.push_str(&format!("\\{byte:02X}")),
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => text.push_str(&format!("\\{byte:02X}")),
        }
    }
    text
}

async fn vacuum(options: &Options, wanted: &str, full: bool) -> Result<(), Refusal> {
    let client = connect().await?;
    let (db_id, ..) = find_volatile(&client, options, wanted).await?;
    let request = types::DbVacuum { db_id, full };
    let request = client.request::<DbVacuum>(options.node, &request);
    request
        .timeout(options.timelimit)
        .send()
        .await
        .map_err(|error| {
            let status = match status_of(&error) {
                // Upstream's exit status is the low byte of what its control returned.
                status @ 1..=255 => status,
                _ => 255,
            };
            refuse(status, error.to_string())
        })
}

fn status_of(error: &ControlError) -> i32 {
    if error.is_timeout() {
        libc::ETIMEDOUT
    } else {
        error.status().unwrap_or(libc::EIO)
    }
}

/// Leaves a process behind that holds a record's lock until it is killed, two minutes at most.
fn local_lock(db: &Database, key: &str) -> Result<(), Refusal> {
    const HOLD: Duration = Duration::from_secs(120);
    let (mut ready, mut tell) = std::io::pipe()?;
    let Some(child) = crate::sys::fork_alone()? else {
        drop(ready);
        let lock = db.tdb().chain_lock(key.as_bytes());
        let locked = lock.is_ok() && tell.write_all(&[0]).is_ok();
        drop(tell);
        crate::sys::close_standard_streams();
        if locked {
            std::thread::sleep(HOLD);
        }
        // Whoever started us reads our output to its end; it must not see ours at all.
        crate::sys::exit_at_once(1);
    };
    drop(tell);
    match ready.read_exact(&mut [0]) {
        Ok(()) => {
            println!("OK {child}");
            Ok(())
        }
        Err(_) => {
            println!("FAIL {}", libc::EINVAL);
            Err(refuse(libc::EINVAL, ""))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_are_escaped_as_upstream_does() {
        assert_eq!(escaped(b"a\"b\\c\x00\xff"), "a\\22b\\5Cc\\00\\FF");
        assert_eq!(flag_names(RecordFlags::AUTOMATIC), " AUTOMATIC");
    }
}
