#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# For smb.conf's option "sync machine password script": after one node has changed the machine
# password, every connected node writes its keytab anew, all at once. The option is emptied for
# that, or each of them would run this script again.
unset_option="--option='sync machine password script='"
exec onnode -p connected "net ads keytab create $unset_option"
