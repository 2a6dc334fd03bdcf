//! `update_record -D DATABASE -k KEY`: writes a record by a control to the daemon, with a sequence
//! number well above the present one, and that number as its value.

use std::process::ExitCode;

use ctdb_protocol::control::UpdateRecord;
use ctdb_protocol::types::MarshallBuffer;
use ctdb_protocol::{Pnn, ReqId};
use ctdb_test_programs::Failure;
use ctdb_test_programs::options::DatabaseOptions;
use ctdb_test_programs::run::{connect, run};

fn main() -> ExitCode {
    run("update record", test)
}

async fn test() -> Result<(), Failure> {
    let options = DatabaseOptions::from_command_line()?;
    let (client, _) = connect(&options.basic).await?;
    let db = client.attach(&options.database, options.kind).await?;
    let mut header = *db.fetch_lock(&options.key, false).await?.header();
    header.rsn += 10;
    let mut records = MarshallBuffer::new(db.id());
    let data = header.rsn.to_string();
    records.push_with_header(ReqId(0), &header, &options.key, data.as_bytes());
    let request = client.request::<UpdateRecord>(Pnn::CURRENT, &records);
    request.timeout(options.basic.timelimit).send().await?;
    Ok(())
}
