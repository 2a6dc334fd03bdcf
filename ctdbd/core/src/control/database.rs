//! Controls about one database.

use ctdb_protocol::id::DbId;
use ctdb_protocol::text::Text;
use ctdb_protocol::types::{ControlFlags, DbAndFlags, DbMap};

use super::dispatch::Answer;
use crate::database::Databases;
use crate::database::attach::Request;
use crate::node::Node;
use crate::shared::{Asker, RecoveryMode, RunState};
use crate::store::Kind;

impl Databases {
    pub(crate) fn path(&self, id: DbId) -> Option<Text> {
        self.map.get(&id).map(|db| Text::from(db.table.path()))
    }

    pub(crate) fn name(&self, id: DbId) -> Option<Text> {
        self.map.get(&id).map(|db| Text::from(db.name.as_str()))
    }

    pub(crate) fn db_map(&self) -> DbMap {
        let entry = |id: &DbId| self.map.get(id).map(|db| DbAndFlags::new(*id, db.flags()));
        DbMap {
            dbs: self.order.iter().filter_map(entry).collect(),
        }
    }
}

impl Node {
    pub(crate) fn attach(
        &mut self,
        asker: Asker,
        flags: ControlFlags,
        name: &Text,
        kind: Kind,
    ) -> Answer {
        let Some(text) = std::str::from_utf8(name.as_bytes())
            .ok()
            .filter(|_| name.is_terminated())
        else {
            self.shared
                .error("a database name is not terminated or not text");
            return Answer::Status(-1);
        };
        let local = self.local_client(asker).is_some();
        let request = Request {
            asker,
            name: text.to_owned(),
            kind,
            flags,
        };
        self.databases.attach(&mut self.shared, request, local);
        Answer::Taken
    }

    pub(crate) fn set_readonly(&mut self, id: DbId) -> Answer {
        let Some(db) = self.databases.find(id) else {
            return Answer::Status(-1);
        };
        if db.readonly {
            return Answer::Status(0);
        }
        if !db.volatile() {
            let text = format!(
                "{}: only a volatile database can give out read-only copies",
                db.name
            );
            self.shared.error(text);
            return Answer::Status(-1);
        }
        match db.table.open_tracking() {
            Ok(tracking) => {
                db.tracking = Some(tracking);
                db.readonly = true;
                Answer::Status(0)
            }
            Err(error) => {
                let text = format!(
                    "{}: cannot open the list of read-only copies: {error}",
                    db.name
                );
                self.shared.error(text);
                Answer::Status(-1)
            }
        }
    }

    pub(crate) fn set_sticky(&mut self, id: DbId) -> Answer {
        let Some(db) = self.databases.find(id).filter(|db| db.volatile()) else {
            return Answer::Status(-1);
        };
        db.sticky = true;
        Answer::Status(0)
    }

    /// An operator says that a database is to be trusted again.
    pub(crate) fn set_healthy(&mut self, id: DbId) -> Answer {
        let Some(db) = self.databases.find(id) else {
            return Answer::Status(-1);
        };
        let was_unhealthy = db.unhealthy.is_some();
        let done = db.set_health(&mut self.shared, None);
        if was_unhealthy && self.shared.run_state == RunState::Startup {
            self.shared.recovery_mode = RecoveryMode::Active;
        }
        Answer::yes_or_no(done)
    }

    pub(crate) fn health(&mut self, id: DbId) -> Answer {
        let Some(db) = self.databases.find(id) else {
            return Answer::Status(-1);
        };
        if db.kind == Kind::Persistent {
            match self.shared.storage.health(&db.name) {
                Ok(reason) => db.unhealthy = reason,
                Err(error) => {
                    let text = format!("{}: cannot read its health: {error}", db.name);
                    self.shared.error(text);
                    return Answer::Status(-1);
                }
            }
        }
        match &db.unhealthy {
            Some(reason) => Answer::with(&Text::from(reason.as_str())),
            None => Answer::Status(0),
        }
    }
}
