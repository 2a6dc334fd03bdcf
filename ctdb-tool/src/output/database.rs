// SPDX-License-Identifier: GPL-3.0-or-later
//! Databases, as `getdbmap` and `getdbstatus` show them.

use super::{Report, Rows, bit};
use ctdb_protocol::id::DbId;
use ctdb_protocol::types::DbFlags;
use serde_json::{Value, json};
use std::io::{self, Write};

/// One attached database.
#[derive(Debug, Clone)]
pub struct DbLine {
    /// Its number.
    pub id: DbId,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub flags: DbFlags,
    /// Its file on the node that was asked.
    pub path: String,
    /// What is wrong with it.
    pub health: Option<String>,
}

impl DbLine {
    /// Whether it is of this kind.
    pub fn is(&self, flag: DbFlags) -> bool {
        self.flags.contains(flag)
    }

    fn row(&self) -> Vec<String> {
        vec![
            format!("0x{:08X}", self.id.0),
            self.name.clone(),
            self.path.clone(),
            bit(self.is(DbFlags::PERSISTENT)),
            bit(self.is(DbFlags::STICKY)),
            bit(self.health.is_some()),
            bit(self.is(DbFlags::READONLY)),
            bit(self.is(DbFlags::REPLICATED)),
        ]
    }

    fn json(&self) -> Value {
        json!({
            "id": self.id.to_string(),
            "name": self.name,
            "path": self.path,
            "persistent": self.is(DbFlags::PERSISTENT),
            "replicated": self.is(DbFlags::REPLICATED),
            "sticky": self.is(DbFlags::STICKY),
            "readonly": self.is(DbFlags::READONLY),
            "healthy": self.health.is_none(),
            "health": self.health,
        })
    }
}

/// What `getdbmap` shows.
pub struct DbList(pub Vec<DbLine>);

impl Report for DbList {
    fn text(&self, out: &mut dyn Write, _verbose: bool) -> io::Result<()> {
        writeln!(out, "Number of databases:{}", self.0.len())?;
        for db in &self.0 {
            write!(out, "dbid:{} name:{} path:{}", db.id, db.name, db.path)?;
            let kinds = [
                (db.is(DbFlags::PERSISTENT), " PERSISTENT"),
                (db.is(DbFlags::STICKY), " STICKY"),
                (db.is(DbFlags::READONLY), " READONLY"),
                (db.is(DbFlags::REPLICATED), " REPLICATED"),
                (db.health.is_some(), " UNHEALTHY"),
            ];
            for (_, word) in kinds.iter().filter(|(is, _)| *is) {
                out.write_all(word.as_bytes())?;
            }
            writeln!(out)?;
        }
        Ok(())
    }

    fn rows(&self, _verbose: bool) -> Option<Rows> {
        let mut rows = Rows::new(&[
            "ID",
            "Name",
            "Path",
            "Persistent",
            "Sticky",
            "Unhealthy",
            "Readonly",
            "Replicated",
        ]);
        rows.lines = self.0.iter().map(DbLine::row).collect();
        Some(rows)
    }

    fn json(&self) -> Value {
        json!({ "database_count": self.0.len(), "databases": self.0.iter().map(DbLine::json).collect::<Vec<_>>() })
    }
}

/// What `getdbstatus` shows.
pub struct DbStatus(pub DbLine);

impl Report for DbStatus {
    fn text(&self, out: &mut dyn Write, _verbose: bool) -> io::Result<()> {
        let db = &self.0;
        let answer = |flag| if db.is(flag) { "yes" } else { "no" };
        writeln!(out, "dbid: {}\nname: {}\npath: {}", db.id, db.name, db.path)?;
        writeln!(out, "PERSISTENT: {}", answer(DbFlags::PERSISTENT))?;
        writeln!(out, "REPLICATED: {}", answer(DbFlags::REPLICATED))?;
        writeln!(out, "STICKY: {}", answer(DbFlags::STICKY))?;
        writeln!(out, "READONLY: {}", answer(DbFlags::READONLY))?;
        writeln!(out, "HEALTH: {}", db.health.as_deref().unwrap_or("OK"))
    }

    fn json(&self) -> Value {
        self.0.json()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> DbList {
        DbList(vec![DbLine {
            id: DbId(0x7a19_d84d),
            name: "locking.tdb".into(),
            flags: DbFlags::STICKY | DbFlags::READONLY,
            path: "/var/locking.tdb.0".into(),
            health: None,
        }])
    }

    #[test]
    fn text_lists_kinds_in_upstreams_order() {
        let mut out = Vec::new();
        list().text(&mut out, false).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "Number of databases:1\ndbid:0x7a19d84d name:locking.tdb path:/var/locking.tdb.0 STICKY READONLY\n"
        );
    }

    #[test]
    fn rows_write_ids_in_capitals() {
        let rows = list().rows(false).unwrap();
        assert_eq!(rows.lines[0][0], "0x7A19D84D");
        assert_eq!(rows.lines[0].len(), rows.header.len());
    }
}
