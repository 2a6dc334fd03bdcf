// SPDX-License-Identifier: GPL-3.0-or-later
//! Public addresses: who hosts which ([`allocation`]), and what this node does about its own.

pub mod allocation;
