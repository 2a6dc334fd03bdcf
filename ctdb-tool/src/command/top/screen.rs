// SPDX-License-Identifier: GPL-3.0-or-later
//! The live screen of `ctdb top`.

use super::sample::{Rates, Sample};
use crate::failure::{Failure, Outcome, errno_of};
use crate::output::status::pnn_name;
use crate::session::Session;
use ratatui::Frame;
use ratatui::crossterm::event::{Event, KeyCode, KeyModifiers, poll, read};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Paragraph, Row, Table};
use std::io;
use std::time::{Duration, Instant};

/// How often keys are looked for.
const KEYS: Duration = Duration::from_millis(50);

/// Shows samples until `q`, Escape or Ctrl-C.
pub(super) async fn watch(session: &mut Session, interval: Duration) -> Outcome {
    let mut before = Sample::take(session).await?;
    let mut terminal = ratatui::try_init().map_err(|e| unusable(&e))?;
    let result = run(session, &mut terminal, &mut before, interval).await;
    ratatui::restore();
    result
}

async fn run(
    session: &mut Session,
    terminal: &mut ratatui::DefaultTerminal,
    before: &mut Sample,
    mut interval: Duration,
) -> Outcome {
    loop {
        let rates = Rates::between(before, Sample::take(session).await?);
        terminal
            .draw(|frame| draw(frame, &rates, interval))
            .map_err(|e| unusable(&e))?;
        *before = rates.now;
        let next = Instant::now() + interval;
        while Instant::now() < next {
            match key().map_err(|e| unusable(&e))? {
                Some(Key::Quit) => return Ok(0),
                Some(Key::Slower) => interval += Duration::from_secs(1),
                Some(Key::Faster) => {
                    interval = interval
                        .saturating_sub(Duration::from_secs(1))
                        .max(Duration::from_secs(1))
                }
                Some(Key::Redraw) => break,
                None => tokio::time::sleep(KEYS).await,
            }
        }
    }
}

enum Key {
    Quit,
    Slower,
    Faster,
    Redraw,
}

fn key() -> io::Result<Option<Key>> {
    if !poll(Duration::ZERO)? {
        return Ok(None);
    }
    Ok(match read()? {
        Event::Key(key) => match key.code {
            KeyCode::Char('q') | KeyCode::Esc => Some(Key::Quit),
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Key::Quit),
            KeyCode::Char('+') => Some(Key::Slower),
            KeyCode::Char('-') => Some(Key::Faster),
            _ => None,
        },
        Event::Resize(..) => Some(Key::Redraw),
        _ => None,
    })
}

fn unusable(error: &io::Error) -> Failure {
    Failure::say(
        errno_of(error),
        format!("Failed to use the terminal: {error}"),
    )
}

fn draw(frame: &mut Frame<'_>, rates: &Rates, interval: Duration) {
    let node_rows = u16::try_from(rates.nodes.len())
        .unwrap_or(u16::MAX)
        .saturating_add(3);
    let hot_rows = u16::try_from(rates.hot.len().max(1)).unwrap_or(10).min(10) + 2;
    let areas = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(node_rows),
        Constraint::Min(4),
        Constraint::Length(hot_rows),
        Constraint::Length(1),
    ])
    .split(frame.area());
    frame.render_widget(headline(rates), areas[0]);
    nodes(frame, areas[1], rates);
    databases(frame, areas[2], rates);
    hot(frame, areas[3], rates);
    let help = format!(" q quit   + - interval ({} s)", interval.as_secs());
    frame.render_widget(
        Paragraph::new(help).style(Style::new().fg(Color::DarkGray)),
        areas[4],
    );
}

fn headline(rates: &Rates) -> Paragraph<'static> {
    let now = &rates.now;
    let mode = if now.recovering {
        Span::styled(
            "RECOVERY",
            Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
        )
    } else {
        Span::styled("NORMAL", Style::new().fg(Color::Green))
    };
    let text = format!(
        " CTDB cluster of {}   leader {}   generation {}   ",
        now.nodes.len(),
        pnn_name(now.leader.map(|pnn| pnn.0)),
        now.generation
    );
    Paragraph::new(Line::from(vec![
        Span::styled(text, Style::new().add_modifier(Modifier::BOLD)),
        mode,
    ]))
}

fn head(names: &[&'static str]) -> Row<'static> {
    Row::new(names.to_vec()).style(Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD))
}

fn nodes(frame: &mut Frame<'_>, area: Rect, rates: &Rates) {
    let rows = rates.nodes.iter().map(|n| {
        let state = n.line.state();
        let color = match state.as_str() {
            "OK" => Color::Green,
            "PARTIALLYONLINE" | "UNKNOWN" | "DISABLED" => Color::Yellow,
            _ => Color::Red,
        };
        let mark = if n.line.this_node { "*" } else { " " };
        Row::new(vec![
            Cell::from(format!("{}{mark}", n.line.pnn)),
            Cell::from(n.line.address.clone()),
            Cell::from(state).style(Style::new().fg(color)),
            Cell::from(n.clients.to_string()),
            Cell::from(format!("{:.1}", n.calls)),
            Cell::from(format!("{:.1}", n.packets)),
            Cell::from(n.max_hops.to_string()),
            Cell::from(n.lock_waits.to_string()),
            Cell::from(format!("{:.3}", n.call_ms)),
        ])
    });
    let widths = [4, 18, 22, 8, 10, 10, 5, 6, 9].map(Constraint::Length);
    let table = Table::new(rows, widths)
        .header(head(&[
            "PNN",
            "ADDRESS",
            "STATE",
            "CLIENTS",
            "CALLS/S",
            "PACKETS/S",
            "HOPS",
            "LOCKS",
            "CALL MS",
        ]))
        .block(Block::bordered().title(" Nodes "));
    frame.render_widget(table, area);
}

fn databases(frame: &mut Frame<'_>, area: Rect, rates: &Rates) {
    let rows = rates.now.databases.iter().map(|db| {
        let locks = &db.stats.locks;
        Row::new(vec![
            db.name.clone(),
            size(db.bytes),
            locks.num_calls.to_string(),
            (u64::from(locks.num_current) + u64::from(locks.num_pending)).to_string(),
            format!("{:.3}", locks.latency.max.0 * 1000.0),
        ])
    });
    let widths = [
        Constraint::Min(24),
        Constraint::Length(10),
        Constraint::Length(10),
        Constraint::Length(8),
        Constraint::Length(12),
    ];
    let table = Table::new(rows, widths)
        .header(head(&[
            "DATABASE",
            "SIZE",
            "LOCKS",
            "WAITING",
            "MAX LOCK MS",
        ]))
        .block(Block::bordered().title(" Databases "));
    frame.render_widget(table, area);
}

fn hot(frame: &mut Frame<'_>, area: Rect, rates: &Rates) {
    let rows = rates.hot.iter().map(|hot| {
        Row::new(vec![
            hot.database.clone(),
            hot.count.to_string(),
            hot.key.clone(),
        ])
    });
    let widths = [
        Constraint::Length(24),
        Constraint::Length(8),
        Constraint::Min(20),
    ];
    frame.render_widget(
        Table::new(rows, widths).block(Block::bordered().title(" Hot records: hops ")),
        area,
    );
}

/// `12.3M`
fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "K", "M", "G"] {
        if value < 1024.0 {
            return if unit == "B" {
                format!("{value}B")
            } else {
                format!("{value:.1}{unit}")
            };
        }
        value /= 1024.0;
    }
    format!("{value:.1}T")
}
