//! `update_record_persistent -D DATABASE -k KEY -v VALUE`: writes a record of a persistent database
//! by a control to the daemon, without a transaction.

use std::process::ExitCode;

use ctdb_protocol::control::UpdateRecord;
use ctdb_protocol::types::{DbFlags, MarshallBuffer};
use ctdb_protocol::{Pnn, ReqId};
use ctdb_test_programs::Failure;
use ctdb_test_programs::options::DatabaseOptions;
use ctdb_test_programs::run::{connect, run};

fn main() -> ExitCode {
    run("update record persistent", test)
}

async fn test() -> Result<(), Failure> {
    let options = DatabaseOptions::from_command_line()?;
    let (client, _) = connect(&options.basic).await?;
    let db = client
        .attach(&options.database, DbFlags::PERSISTENT)
        .await?;
    let (mut header, _) = db.fetch_local(&options.key)?;
    header.rsn += 1;
    let mut records = MarshallBuffer::new(db.id());
    records.push_with_header(ReqId(0), &header, &options.key, &options.value);
    let request = client.request::<UpdateRecord>(Pnn::CURRENT, &records);
    request.timeout(options.basic.timelimit).send().await?;
    Ok(())
}
