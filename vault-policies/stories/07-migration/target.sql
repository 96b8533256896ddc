-- The schema that is migrated, and one beside it. What a migration makes belongs to shop_owner, not to the login that
-- ends with the task (vault/database/roles/shop-migrator.json: set role).
create role shop_owner nologin;
create schema shop authorization shop_owner;
create table shop.orders (id int primary key, amount text not null);
alter table shop.orders owner to shop_owner;
create schema billing;
create table billing.invoices (id int primary key);
