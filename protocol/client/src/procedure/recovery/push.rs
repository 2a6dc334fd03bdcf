//! Gives the collected records of one database to every active node.

use bytes::Bytes;
use ctdb_protocol::control::{DbPushConfirm, DbPushStart, GetRunstate};
use ctdb_protocol::encode;
use ctdb_protocol::types::{
    DbFlags, LtdbHeader, MarshallBuffer, PullDbExt, RecordFlags, RecordRef, Records,
};
use ctdb_protocol::{Pnn, ReqId, Srvid};

use super::Recovery;
use super::catalogue::Database;
use super::database::{DatabaseError, blamed};
use super::pull::Collected;
use crate::procedure::ask::ask_each;

/// Bytes that may be on their way to the nodes before they are waited for.
const WINDOW_BYTES: usize = 16 << 20;

/// Pushes the records and returns how many there were.
pub(super) async fn distribute(
    recovery: &Recovery<'_>,
    db: &Database,
    records: Collected,
) -> Result<u32, DatabaseError> {
    let srvid = recovery.fresh_port();
    let request = PullDbExt {
        db_id: db.id,
        lmaster: recovery.own.0,
        srvid,
    };
    let members = recovery.members.active();
    blamed::<DbPushStart>(recovery, members, &request).await?;
    let mut push = Push::new(recovery, db, srvid);
    match records {
        Collected::Whole(messages) => {
            for message in messages {
                push.add_message(message).await?;
            }
        }
        Collected::Merged(merged) => {
            for record in merged.records() {
                push.add(&record).await?;
            }
        }
    }
    let sent = push.finish().await?;
    let counts = blamed::<DbPushConfirm>(recovery, members, &db.id).await?;
    for (node, counted) in counts {
        if counted != sent {
            recovery.blame(node);
            return Err(DatabaseError::Count {
                step: "DB_PUSH_CONFIRM",
                node,
                counted: counted.into(),
                expected: sent.into(),
            });
        }
    }
    Ok(sent)
}

struct Push<'a> {
    recovery: &'a Recovery<'a>,
    db: &'a Database,
    srvid: Srvid,
    /// Headers stay as they are; otherwise the leader becomes data master.
    keep_headers: bool,
    limit_bytes: usize,
    buffer: MarshallBuffer,
    sent: u32,
    unconfirmed_bytes: usize,
}

impl<'a> Push<'a> {
    fn new(recovery: &'a Recovery<'a>, db: &'a Database, srvid: Srvid) -> Self {
        Self {
            recovery,
            db,
            srvid,
            keep_headers: db.flags.contains(DbFlags::PERSISTENT),
            limit_bytes: recovery.tunables.rec_buffer_size_limit() as usize,
            buffer: MarshallBuffer::new(db.id),
            sent: 0,
            unconfirmed_bytes: 0,
        }
    }

    /// Passes a pulled message on as it is where nothing in it changes.
    async fn add_message(&mut self, message: Bytes) -> Result<(), DatabaseError> {
        let Ok((_, records)) = Records::of_payload(&message) else {
            return Ok(());
        };
        let count = records.left();
        if self.keep_headers && records.clone().all(|record| has_data(&record)) {
            self.flush().await?;
            return self.send(message, count).await;
        }
        for record in records {
            self.add(&record).await?;
        }
        Ok(())
    }

    async fn add(&mut self, record: &RecordRef<'_>) -> Result<(), DatabaseError> {
        let Ok((header, data)) = record.header() else {
            return Ok(());
        };
        if data.is_empty() {
            return Ok(());
        }
        let header = if self.keep_headers {
            header
        } else {
            adopted(self.recovery.own, header)
        };
        self.buffer
            .push_with_header(ReqId(0), &header, record.key, data);
        if self.buffer.size() >= self.limit_bytes {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), DatabaseError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let buffer = std::mem::replace(&mut self.buffer, MarshallBuffer::new(self.db.id));
        self.send(encode(&buffer).into(), buffer.count()).await
    }

    async fn send(&mut self, message: Bytes, count: u32) -> Result<(), DatabaseError> {
        self.sent += count;
        self.unconfirmed_bytes += message.len();
        let members = self.recovery.members.active();
        for node in members {
            self.recovery
                .client
                .send_message(*node, self.srvid, message.clone());
        }
        if self.unconfirmed_bytes >= WINDOW_BYTES {
            // An answer shows that all that was sent before has been taken, which bounds the queues.
            let limit = self.recovery.limit();
            ask_each::<GetRunstate>(self.recovery.client, members, &(), limit).await?;
            self.unconfirmed_bytes = 0;
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<u32, DatabaseError> {
        self.flush().await?;
        Ok(self.sent)
    }
}

fn has_data(record: &RecordRef<'_>) -> bool {
    record.data.len() > LtdbHeader::SIZE
}

fn adopted(leader: Pnn, header: LtdbHeader) -> LtdbHeader {
    LtdbHeader {
        dmaster: leader,
        flags: header.flags | RecordFlags::MIGRATED_WITH_DATA,
        ..header
    }
}
