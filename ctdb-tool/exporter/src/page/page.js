// SPDX-License-Identifier: GPL-3.0-or-later
// Shows what /events tells. Text from the cluster is only ever set as text, never as markup.
"use strict";

// An event comes every two seconds; after this long the contact is lost, whatever the connection says.
const SILENCE_MS = 12000;
// How long a stream that broke has to come back.
const GRACE_MS = 4000;

const element = (id) => document.getElementById(id);
let last = null;
let lastAt = 0;
let before = null;

function made(name, text, className) {
	const made = document.createElement(name);
	if (text !== undefined) made.textContent = text;
	if (className) made.className = className;
	return made;
}

function cell(row, label, text, className) {
	const cell = made("td", text, className);
	cell.dataset.label = label;
	row.append(cell);
	return cell;
}

function head(row, text) {
	const head = made("th", text);
	head.scope = "row";
	row.append(head);
	return head;
}

// fill(TABLE, ITEMS, NOTHING, ROW): one row for each item, or a line that says that there is none
function fill(id, items, nothing, row) {
	const body = element(id).tBodies[0];
	const rows = items.map((item) => {
		const line = document.createElement("tr");
		row(line, item);
		return line;
	});
	if (rows.length === 0) {
		const line = document.createElement("tr");
		const only = made("td", nothing, "none");
		only.colSpan = element(id).tHead.rows[0].cells.length;
		line.append(only);
		rows.push(line);
	}
	body.replaceChildren(...rows);
}

const number = (value, digits) => (value ?? 0).toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: digits });
const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], { hour12: false });

function size(bytes) {
	const units = ["B", "kB", "MB", "GB", "TB"];
	let unit = 0;
	while (bytes >= 1000 && unit < units.length - 1) {
		bytes /= 1000;
		unit++;
	}
	return `${number(bytes, unit && bytes < 100 ? 1 : 0)} ${units[unit]}`;
}

function showNodes(seen) {
	fill("nodes", seen.nodes, "No nodes", (row, node) => {
		const first = head(row, `Node ${node.pnn}`);
		if (node.pnn === seen.leader) first.append(made("span", "leader", "tag"));
		if (node.pnn === seen.node) first.append(made("span", "this node", "tag"));
		cell(row, "Address", node.address, "address");
		const state = cell(row, "State", undefined, "wide");
		state.append(made("span", node.state.replaceAll("|", " | "), node.state === "OK" ? "state ok" : "state not"));
		for (const reason of node.reasons) state.append(made("p", reason, "why"));
		const known = (value, digits) => (node.reachable ? number(value, digits) : "–");
		cell(row, "Clients", known(node.clients, 0), "number");
		cell(row, "Calls/s", known(node.calls_per_s, 1), "number");
		cell(row, "Packets/s", known(node.packets_per_s, 1), "number");
		cell(row, "Call, ms", known(node.call_latency_ms, 2), "number");
		cell(row, "Most hops", known(node.max_hop_count, 0), "number");
		cell(row, "Lock waits", known(node.lock_waits, 0), "number");
	});
}

function showAddresses(seen) {
	fill("addresses", seen.addresses, "There are none", (row, address) => {
		head(row, address.address);
		const nobody = address.node === null;
		const where = cell(row, "Node", nobody ? undefined : `Node ${address.node}`);
		if (nobody) where.append(made("span", "nobody", "state not"));
		const active = (address.interfaces ?? []).find((iface) => iface.active);
		cell(row, "Interface", active ? active.name + (active.link_up ? "" : ", no link") : "–");
	});
}

// Lock waits of a second, from this event and the one before.
function lockRate(seen, db) {
	const old = before && before.databases.find((other) => other.name === db.name);
	const seconds = before ? seen.at - before.at : 0;
	if (!old || seconds <= 0 || db.locks < old.locks) return "–";
	return number((db.locks - old.locks) / seconds, 1);
}

function showDatabases(seen) {
	const sorted = [...seen.databases].sort((a, b) => b.bytes - a.bytes);
	fill("databases", sorted, "None is attached", (row, db) => {
		head(row, db.name);
		cell(row, "Size", size(db.bytes), "number");
		cell(row, "Lock waits/s", lockRate(seen, db), "number");
		cell(row, "Waiting", number(db.locks_pending, 0), "number");
	});
	fill("hot", seen.hot_records.slice(0, 10), "No record moves often", (row, hot) => {
		head(row, hot.database);
		cell(row, "Key", hot.key);
		cell(row, "Hops", number(hot.count, 0), "number");
	});
}

function showChanges(changes) {
	const lines = [...changes].reverse().map((change) => {
		const line = made("li");
		const when = made("time", clock(change.at));
		when.dateTime = new Date(change.at * 1000).toISOString();
		line.append(when, made("span", ` ${change.text}`));
		return line;
	});
	element("changes").replaceChildren(...(lines.length ? lines : [made("li", "Nothing yet", "none")]));
}

function showProblems(problems) {
	element("problems-section").hidden = problems.length === 0;
	element("problems").replaceChildren(...problems.map((problem) => made("li", problem)));
}

function verdict(kind, text) {
	document.body.className = kind;
	// what has not changed is not read out again
	if (element("verdict").textContent !== text) element("verdict").textContent = text;
	document.title = `${kind === "good" ? "" : "⚠ "}CTDB: ${text}`;
}

function judge(seen) {
	const bad = seen.nodes.filter((node) => node.state !== "OK").length;
	if (seen.recovering) return verdict("bad", "Recovery is active");
	if (seen.leader === null) return verdict("bad", "No leader");
	if (bad) return verdict("bad", `${bad} of ${seen.nodes.length} nodes not OK`);
	if (seen.problems.length) return verdict("waiting", "Nodes are OK, something else is not");
	return verdict("good", `All ${seen.nodes.length} nodes OK`);
}

function show(seen) {
	if (seen.error) {
		verdict("lost", `No contact with ctdbd: ${seen.error}.${last ? ` What is below is of ${clock(last.at)}.` : ""}`);
		showChanges(seen.changes);
		return;
	}
	before = last;
	last = seen;
	element("facts").textContent =
		`Leader ${seen.leader === null ? "none" : `node ${seen.leader}`}, generation ${seen.generation}, as node ${seen.node} sees it at ${clock(seen.at)}`;
	showProblems(seen.problems);
	showNodes(seen);
	showAddresses(seen);
	showDatabases(seen);
	showChanges(seen.changes);
	judge(seen);
}

function lost() {
	const what = last ? ` What is below is of ${clock(last.at)}.` : "";
	verdict("lost", `Contact lost: the exporter does not answer.${what}`);
}

// A stream that ends is opened again, by the browser or, where it has given up, by us. Only when nothing comes
// meanwhile is the contact lost.
let events = null;

function listen() {
	events = new EventSource("events");
	events.onmessage = (event) => {
		lastAt = Date.now();
		show(JSON.parse(event.data));
	};
	events.onerror = () => {
		const since = Date.now();
		setTimeout(() => {
			if (lastAt < since) lost();
			if (events.readyState === EventSource.CLOSED) listen();
		}, GRACE_MS);
	};
}

listen();
setInterval(() => {
	if (lastAt && Date.now() - lastAt > SILENCE_MS) lost();
}, 1000);
