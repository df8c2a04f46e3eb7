/* inngest: a durable-functions server inside PostgreSQL */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION inngest" to load this file. \quit

-- Every name below is written out, so nothing that a user left in a schema can be picked up by mistake.
SET LOCAL search_path TO pg_catalog, inngest, pg_temp;
