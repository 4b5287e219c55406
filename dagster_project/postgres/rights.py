"""Who may log in for what: one group role for each recipient, and the proof that none can do more than read.

Reads  recipients and the catalogue of the database. Writes roles and grants.

Group roles cannot log in; an administrator grants them to logins. The proof asks the database what each group, and
each login in one, may do, whoever granted it: it is made inside the transaction that publishes, which ends without it.
"""

from __future__ import annotations

from collections.abc import Iterable

import psycopg

from dagster_project.declarations import Declarations
from dagster_project.postgres.errors import PostgresMistake
from dagster_project.postgres.structure import READERS, execute
from dagster_project.tables import identifier, literal

PREFIX = "sozialraum"
LONGEST_NAME = 63  # bytes: PostgreSQL cuts longer names off, and two could become one
CREATE_LARGE_OBJECTS = ("lo_creat(integer)", "lo_create(oid)", "lo_from_bytea(oid, bytea)")


def schema_name(region: str) -> str:
    return f"{PREFIX}_{region}"


def role_names(declared: Declarations) -> dict[str, str]:
    """The role of each recipient. Raises `PostgresMistake` where a name is too long."""
    assert declared.sharing is not None
    roles = {item.id: f"{schema_name(declared.region.id)}_{item.id}" for item in declared.sharing.recipients}
    too_long = [role for role in roles.values() if len(role.encode()) > LONGEST_NAME]
    if too_long:
        raise PostgresMistake(
            f"recipients.yml: {', '.join(too_long)} would be the name of a role, but has more than {LONGEST_NAME} "
            "characters: choose a shorter id"
        )
    return roles


def create_roles(connection: psycopg.Connection, declared: Declarations) -> None:
    """The roles that are missing."""
    assert declared.sharing is not None
    known = {name for (name,) in execute(connection, "select rolname from pg_roles").fetchall()}
    roles = role_names(declared)
    for recipient in declared.sharing.recipients:
        if roles[recipient.id] not in known:
            execute(connection, f"create role {identifier(roles[recipient.id])} nologin")
            execute(connection, f"comment on role {identifier(roles[recipient.id])} is {literal(recipient.name)}")


def grant_reading(connection: psycopg.Connection, schema: str, roles: Iterable[str]) -> None:
    """Connect, and select from all tables and views, where it is not granted: which rows, the policies say."""
    lacking = f"""
        select rolname, 'connect on database ' || quote_ident(current_database())
        from pg_roles
        where rolname = any(%(roles)s) and not has_database_privilege(oid, current_database(), 'connect')
        union all
        select rolname, {literal(f"usage on schema {identifier(schema)}")}
        from pg_roles
        where rolname = any(%(roles)s) and not has_schema_privilege(oid, %(schema)s, 'usage')
        union all
        select rolname, 'select on ' || c.oid::regclass
        from pg_roles as r
        inner join pg_class as c on c.relnamespace = %(schema)s::regnamespace and c.relkind in ('r', 'v')
        where rolname = any(%(roles)s) and not has_table_privilege(r.oid, c.oid, 'select')
    """
    for role, privilege in connection.execute(lacking, {"roles": sorted(roles), "schema": schema}).fetchall():
        execute(connection, f"grant {privilege} to {identifier(role)}")


def prove_reading_only(connection: psycopg.Connection, schema: str, roles: Iterable[str]) -> None:
    """Raises `PostgresMistake` with everything a group, or a login in one, may do beside reading."""
    found = execute(connection, _excess(schema, sorted(roles))).fetchall()
    if found:
        listed = "\n".join(f"  {who}: {what}" for who, what in found)
        raise PostgresMistake(
            f"{connection.info.dbname}: nothing was published, readers may do more than read:\n{listed}\n"
            "setup.sql of this module shows what an administrator revokes"
        )


def _excess(schema: str, roles: list[str]) -> str:
    """SQL: who may do what too much; no rows where all is well."""
    names = ", ".join(map(literal, roles))
    large_objects = ", ".join(f"({literal(f'pg_catalog.{name}')})" for name in CREATE_LARGE_OBJECTS)
    return f"""
        with recursive reader (oid, is_group) as (
            select oid, true from pg_roles where rolname in ({names})
            union
            select member.member, false from pg_auth_members as member inner join reader on member.roleid = reader.oid
        ),
        role as (
            select r.*, reader.is_group
            from reader
            inner join pg_roles as r using (oid)
        ),
        own_namespace as (
            select oid, nspname from pg_namespace where nspname !~ '^pg_' and nspname != 'information_schema'
        )
        select rolname, 'has the attribute ' || attribute
        from role
        cross join lateral (
            values
                ('superuser', rolsuper), ('bypassrls', rolbypassrls), ('createrole', rolcreaterole),
                ('createdb', rolcreatedb), ('replication', rolreplication), ('login', rolcanlogin and is_group)
        ) as attributes (attribute, has)
        where has
        union all
        select role.rolname, 'is a member of ' || other.rolname
        from role
        inner join pg_roles as other on pg_has_role(role.oid, other.oid, 'member') and other.oid != role.oid
        where not (other.rolname ~ '^{PREFIX}_' and not other.rolcanlogin) or role.is_group
        union all
        select rolname, privilege || ' on the database'
        from role
        cross join unnest(array['create', 'temporary']) as privileges (privilege)
        where has_database_privilege(role.oid, current_database(), privilege)
        union all
        select rolname, 'create in schema ' || nspname
        from role
        cross join own_namespace
        where has_schema_privilege(role.oid, own_namespace.oid, 'create')
        union all
        select rolname, 'writing to ' || c.oid::regclass
        from role
        cross join own_namespace
        inner join pg_class as c on c.relnamespace = own_namespace.oid and c.relkind in ('r', 'p', 'v', 'm', 'f')
        where has_table_privilege(role.oid, c.oid, 'insert, update, delete, truncate, references, trigger')
            or has_any_column_privilege(role.oid, c.oid, 'insert, update, references')
        union all
        select rolname, 'using sequence ' || c.oid::regclass
        from role
        cross join own_namespace
        inner join pg_class as c on c.relnamespace = own_namespace.oid and c.relkind = 'S'
        where has_sequence_privilege(role.oid, c.oid, 'usage, update')
        union all
        select rolname, 'writing large objects with ' || name
        from role
        cross join (values {large_objects}) as functions (name)
        where has_function_privilege(role.oid, name, 'execute')
        union all
        select 'table ' || c.relname, 'has no row-level security'
        from pg_class as c
        where c.relnamespace = {literal(identifier(schema))}::regnamespace and c.relkind in ('r', 'p', 'm')
            and not c.relrowsecurity
        union all
        select 'view ' || c.relname, 'asks with the rights of its owner'
        from pg_class as c
        where c.relnamespace = {literal(identifier(schema))}::regnamespace and c.relkind = 'v'
            and not coalesce(c.reloptions @> array['security_invoker=true'], false)
        union all
        select 'policy ' || policyname || ' on ' || tablename, 'asks for something else than readers'
        from pg_policies
        where schemaname = {literal(schema)} and tablename != 'release'
            and (permissive != 'PERMISSIVE' or qual !~ '^\\({READERS}\\[''[a-z0-9_]+''::text\\] IS NOT NULL\\)$')
        union all
        select role.rolname, 'running ' || f.oid::regprocedure || ' with the rights of its owner'
        from role
        cross join own_namespace
        inner join pg_proc as f on f.pronamespace = own_namespace.oid and f.prosecdef
        where has_function_privilege(role.oid, f.oid, 'execute')
            and not exists (select from pg_depend as d where d.objid = f.oid and d.deptype = 'e')
        order by 1, 2
    """
