-- Where backups go: whoever writes them can neither read, change nor delete any, their own included.
create table backups (at timestamptz not null default now(), line text not null);
create role backup_writer nologin;
create role backup_reader nologin;
grant insert on backups to backup_writer;
grant select on backups to backup_reader;
