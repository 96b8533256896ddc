-- What a deployment writes, and what it must not touch.
create table releases (version text not null, at timestamptz not null default now());
create table users (name text primary key);
create role release_writer nologin;
create role release_admin nologin;
grant select, insert, update on releases to release_writer;
grant all on releases, users to release_admin;
