#!/bin/sh
# Runs PostgreSQL in PGDATA. The first start makes it: the database POSTGRES_DB, and for each name in POSTGRES_USERS an
# account with the password POSTGRES_PASSWORD and a schema of its own, which is where its tables go. It listens on PGHOST
# and PGPORT.
set -eu
if [ ! -d "$PGDATA" ]; then
	new=$PGDATA.new
	rm -rf "$new"
	initdb --pgdata="$new" --username=admin --auth=reject --encoding=UTF8 --locale=C.UTF-8 --no-sync >/dev/null
	echo "host all all all scram-sha-256" >"$new/pg_hba.conf"
	echo "CREATE DATABASE \"$POSTGRES_DB\"" | postgres --single -D "$new" postgres >/dev/null
	for user in $POSTGRES_USERS; do
		echo "CREATE ROLE \"$user\" LOGIN PASSWORD '$POSTGRES_PASSWORD'"
		echo "CREATE SCHEMA AUTHORIZATION \"$user\""
	done | postgres --single -D "$new" "$POSTGRES_DB" >/dev/null
	mv "$new" "$PGDATA"
fi
exec postgres -D "$PGDATA" -c listen_addresses="$PGHOST" -c port="$PGPORT" -c unix_socket_directories= -c jit=off
