// SPDX-License-Identifier: GPL-3.0-or-later
//! A database into a file and back, and wiping one: on all active nodes at once, inside a recovery transaction.

use super::control::generation;
use super::database::{attached, existing, opened};
use super::one;
use crate::backup_file::{Buffer, Header, VERSION, Writer};
use crate::failure::{Doing, Failure, Outcome, errno_of};
use crate::output::Form;
use crate::output::clock::stamp;
use crate::output::record::Dump;
use crate::progress::Progress;
use crate::session::{Console, Session, active};
use ctdb_protocol::control as ctl;
use ctdb_protocol::id::{DbId, Pnn};
use ctdb_protocol::srvid::Srvid;
use ctdb_protocol::types::{DbFlags, LtdbHeader, PullDbExt, RecoveryMode, TransDb};
use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter};
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt;
use std::time::{SystemTime, UNIX_EPOCH};

/// Where pushed records are sent.
const PUSH_PORT: Srvid = Srvid(Srvid::TOOL_RANGE.0 | 0x0002_0000_0000_0000);
/// How many bytes may be on their way before the daemon is asked whether it has them.
const IN_FLIGHT_BYTES: usize = 8 << 20;

/// `ctdb backupdb`.
pub async fn backupdb(session: &mut Session, args: &[String]) -> Outcome {
    let [wanted, path] = args else {
        return Err(Failure::Usage);
    };
    let db = existing(session, wanted).await?;
    let open = opened(session, &db).await?;
    let created = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path);
    let file = created.map_err(|e| {
        Failure::say(
            errno_of(&e),
            format!("Failed to open file {path} for writing"),
        )
    })?;
    let header_failed = |e| {
        Failure::say(
            errno_of(&e),
            format!("Failed to write header to file {path}"),
        )
    };
    let time = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs() as i64);
    let header = Header {
        version: VERSION,
        time,
        flags: u64::from(db.flags.bits()),
        name: db.name.clone(),
        ..Header::default()
    };
    let mut writer = Writer::new(BufWriter::new(file), db.id, header).map_err(header_failed)?;
    let mut broken = None;
    let walked = open
        .tdb()
        .traverse_read(|key, value| match writer.push(key, value) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                broken = Some(error);
                ControlFlow::Break(())
            }
        });
    let uncollected = || format!("Failed to collect records from DB {}", db.name);
    if let Some(error) = broken {
        let unwritten = "Failed to write records to backup file";
        return Err(Failure::say(errno_of(&error), unwritten).and(uncollected()));
    }
    walked.map_err(|_| Failure::say(libc::EIO, uncollected()))?;
    writer.finish().map_err(header_failed)?;
    session
        .console
        .out
        .line(&format!("Database backed up to {path}"))?;
    Ok(0)
}

/// Opens a backup and reads its header.
fn open_backup(path: &str) -> Result<(BufReader<File>, Header), Failure> {
    let file = File::open(path).map_err(|e| {
        Failure::say(
            errno_of(&e),
            format!("Failed to open file {path} for reading"),
        )
    })?;
    let mut file = BufReader::new(file);
    let header = Header::read(&mut file).map_err(|e| {
        Failure::say(
            errno_of(&e),
            format!("Failed to read db header from file {path}"),
        )
    })?;
    if header.version != VERSION {
        let line = format!(
            "Wrong version of backup file, expected {VERSION}, got {}",
            header.version
        );
        return Err(Failure::say(libc::EINVAL, line));
    }
    Ok((file, header))
}

/// `ctdb dumpdbbackup`.
pub fn dumpdbbackup(console: &mut Console, args: &[String]) -> Outcome {
    let (mut file, header) = open_backup(one(args)?)?;
    if console.out.form() != Form::Json {
        console.out.line(&format!(
            "Dumping database {} from backup @ {}",
            header.name,
            stamp(header.time)
        ))?;
    }
    let mut dump = Dump::new(&mut console.out, "record(s)")?;
    let shown = (0..header.buffers).try_for_each(|_| dump_buffer(&mut dump, &mut file));
    if let Err(failure) = shown {
        console.out.flush()?;
        return Err(failure);
    }
    dump.end()?;
    Ok(0)
}

fn dump_buffer(dump: &mut Dump<'_>, file: &mut BufReader<File>) -> Result<(), Failure> {
    let buffer =
        Buffer::read(file).map_err(|e| Failure::say(errno_of(&e), "Failed to read records"))?;
    let broken = || Failure::say(libc::EMSGSIZE, "Failed to dump records");
    for record in buffer.iter() {
        let record = record.ok_or_else(broken)?;
        let (header, data) = LtdbHeader::split(record.data).map_err(|_| broken())?;
        dump.record(&header, record.key, data)?;
    }
    Ok(())
}

/// `ctdb restoredb`.
pub async fn restoredb(session: &mut Session, args: &[String]) -> Outcome {
    let (path, name) = match args {
        [path] => (path, None),
        [path, name] => (path, Some(name.clone())),
        _ => return Err(Failure::Usage),
    };
    let (mut file, header) = open_backup(path)?;
    let name = name.unwrap_or_else(|| header.name.clone());
    session.console.out.line(&format!(
        "Restoring database {name} from backup @ {}",
        stamp(header.time)
    ))?;
    let flags = DbFlags::from_bits_retain((header.flags & 0xFF) as u8);
    let db = attached(session, &name, flags)
        .await
        .doing(|| format!("Failed to attach to DB {name}"))?;
    let replacement = Replacement::prepare(session, db.id(), libc::ENOMEM).await?;
    let done = replacement.run(session, Some((&mut file, &header))).await;
    finish(session, done, &format!("Database {name} restored")).await
}

/// `ctdb wipedb`.
pub async fn wipedb(session: &mut Session, args: &[String]) -> Outcome {
    let db = existing(session, one(args)?).await?;
    attached(session, &db.name, db.flags)
        .await
        .doing(|| format!("Failed to attach to DB {}", db.name))?;
    let replacement = Replacement::prepare(session, db.id, libc::ENOMEM).await?;
    let done = replacement.run(session, None).await;
    finish(session, done, &format!("Database {} wiped", db.name)).await
}

/// Says that it worked, or has the cluster recover from the half-done work.
async fn finish(session: &mut Session, done: Result<(), Failure>, line: &str) -> Outcome {
    match done {
        Ok(()) => {
            session.console.out.line(line)?;
            Ok(0)
        }
        Err(failure) => {
            let recover = session
                .control::<ctl::SetRecmode>(session.pnn, &RecoveryMode::ACTIVE)
                .await;
            session.console.complain(&failure);
            if let Err(worse) = recover {
                session.console.complain(&worse);
            }
            Ok(failure.status())
        }
    }
}

/// New contents for a database on all active nodes.
struct Replacement {
    nodes: Vec<Pnn>,
    transaction: TransDb,
}

impl Replacement {
    async fn prepare(session: &mut Session, db_id: DbId, no_nodes: i32) -> Result<Self, Failure> {
        let map = session
            .nodemap()
            .await
            .map_err(|f| f.and("Failed to get nodemap").with_status(no_nodes))?;
        let tid = generation(session)
            .await
            .doing(|| "Failed to get current generation".to_owned())?;
        let nodes = active(&map, None);
        if nodes.is_empty() {
            return Err(Failure::silent(no_nodes));
        }
        Ok(Self {
            nodes,
            transaction: TransDb { db_id, tid },
        })
    }

    /// Freezes, empties, fills, declares healthy, commits and thaws.
    async fn run(
        &self,
        session: &mut Session,
        contents: Option<(&mut BufReader<File>, &Header)>,
    ) -> Result<(), Failure> {
        let Self { nodes, transaction } = self;
        let db_id = &transaction.db_id;
        session.control_all::<ctl::DbFreeze>(nodes, db_id).await?;
        session
            .control_all::<ctl::DbTransactionStart>(nodes, transaction)
            .await?;
        session
            .control_all::<ctl::WipeDatabase>(nodes, transaction)
            .await?;
        if let Some((file, header)) = contents {
            self.fill(session, file, header).await?;
        }
        session
            .control_all::<ctl::DbSetHealthy>(nodes, db_id)
            .await?;
        session
            .control_all::<ctl::DbTransactionCommit>(nodes, transaction)
            .await?;
        session.control_all::<ctl::DbThaw>(nodes, db_id).await?;
        Ok(())
    }

    async fn fill(
        &self,
        session: &mut Session,
        file: &mut BufReader<File>,
        header: &Header,
    ) -> Result<(), Failure> {
        let db_id = self.transaction.db_id;
        let push = PullDbExt {
            db_id,
            lmaster: 0,
            srvid: PUSH_PORT,
        };
        session
            .control_all::<ctl::DbPushStart>(&self.nodes, &push)
            .await?;
        let mut progress = Progress::new("restoring", header.records);
        let mut in_flight = 0;
        for _ in 0..header.buffers {
            let buffer = Buffer::read(file).map_err(|e| Failure::silent(errno_of(&e)))?;
            let payload = buffer.payload(db_id);
            in_flight += payload.len() * self.nodes.len();
            for node in &self.nodes {
                session
                    .client
                    .send_message(*node, PUSH_PORT, payload.clone());
            }
            if in_flight >= IN_FLIGHT_BYTES {
                // answered behind all that was sent before
                session.status::<ctl::GetPnn>(session.pnn, &()).await?;
                in_flight = 0;
            }
            progress.advance(u64::from(buffer.count));
        }
        progress.end();
        self.confirm(session, header).await
    }

    /// Every node must have received every record.
    async fn confirm(&self, session: &Session, header: &Header) -> Result<(), Failure> {
        let received = session
            .control_all::<ctl::DbPushConfirm>(&self.nodes, &self.transaction.db_id)
            .await?;
        for (node, count) in received {
            if u64::from(count) != header.records {
                let line = format!("Node {node} received {count} of {} records", header.records);
                return Err(Failure::say(libc::EIO, line));
            }
        }
        Ok(())
    }
}
