//! Asks the event daemon, and links event scripts in and out.

fn main() {
    std::process::exit(ctdbd::eventd::tool_main());
}
