/*
 * sql_map_table.c
 *		What tables are made of: columns, constraints, indexes, triggers, policies, comments and
 *		privileges.
 *
 * A column that is left out takes along what is said of it alone.  What needs it together with
 * others is broken, which the caller tells of.
 */
#include "sql_map_internal.h"

#ifdef SQL_TREE

#include <stdlib.h>
#include <string.h>

#include "strbuf.h"

/* The scope of a table's own conditions: its columns stand alone, or under its name. */
static void
own_scope(Mapper *m, Scope *scope, const PgQuery__RangeVar *range)
{
	mapper_scope_add(m, scope, range, range->relname, true);
}

/* Takes an element out of a list of the tree. */
static void
take_out(Mapper *m, size_t *count, SqlNode **nodes, size_t at)
{
	pg_query__node__free_unpacked(nodes[at], NULL);
	memmove(&nodes[at], &nodes[at + 1], sizeof(*nodes) * (*count - at - 1));
	(*count)--;
	m->changed = true;
}

static bool
is_left_out(const ObjectTable *table, const char *column)
{
	return object_table_target(table, column) == NULL;
}

static void
constraint(Mapper *m, const ObjectTable *table, PgQuery__Constraint *c)
{
	mapper_columns(m, table, c->n_keys, c->keys);
	mapper_columns(m, table, c->n_including, c->including);
	mapper_columns(m, table, c->n_fk_attrs, c->fk_attrs);
	mapper_columns(m, table, c->n_fk_del_set_cols, c->fk_del_set_cols);
	if (c->pktable != NULL && c->pktable->schemaname[0] != '\0')
	{
		ObjectTable referred;

		mapper_range(m, c->pktable, &referred);
		mapper_columns(m, &referred, c->n_pk_attrs, c->pk_attrs);
	}
}

/* Whether a constraint inside of CREATE TABLE needs a column that is left out: found by trying. */
static bool
constraint_is_broken(Mapper *m, Scope *scope, SqlNode *node)
{
	size_t size = pg_query__node__get_packed_size(node);
	uint8_t *packed = xmalloc(size + 1);
	SqlNode *copy;
	Mapper trial = {.map = m->map, .arena = m->arena, .scope = scope, .err = m->err};

	pg_query__node__pack(node, packed);
	copy = pg_query__node__unpack(NULL, size, packed);
	free(packed);
	mapper_walk(&trial, &copy->base);
	pg_query__node__free_unpacked(copy, NULL);
	return trial.needs != NULL;
}

/* A column definition of this type, for a table that is being made. */
static SqlNode *
column_definition(Mapper *m, const char *name, const char *type)
{
	StrBuf sql;
	SqlTree *tree;
	SqlNode *node = NULL;

	strbuf_init(&sql);
	strbuf_puts(&sql, "CREATE TABLE t (");
	strbuf_ident(&sql, name);
	strbuf_printf(&sql, " %s)", type);
	tree = sql_tree_parse(m->arena, sql.data, NULL);
	strbuf_free(&sql);
	if (tree != NULL)
	{
		PgQuery__CreateStmt *create = tree->stmts[0]->stmt->create_stmt;

		node = create->table_elts[0];
		create->n_table_elts = 0;
		sql_tree_free(tree);
	}
	return node;
}

static bool
defines(const PgQuery__CreateStmt *create, const char *column)
{
	for (size_t i = 0; i < create->n_table_elts; i++)
	{
		const SqlNode *element = create->table_elts[i];

		if (element->node_case == PG_QUERY__NODE__NODE_COLUMN_DEF &&
		    strcmp(element->column_def->colname, column) == 0)
			return true;
	}
	return false;
}

/* Columns that the options compute: new ones are added, existing ones get the type computed. */
static void
computed_columns(Mapper *m, const ObjectTable *table, PgQuery__CreateStmt *create)
{
	for (int k = 0; k < table->column_count; k++)
	{
		const JobColumn *column = &table->columns[k];
		const char *type =
		    column->expr == NULL ? NULL : sql_map_computed_type(m->map, table, column->name);
		SqlNode *node = type == NULL ? NULL : column_definition(m, column->name, type);

		if (node == NULL)
			continue;
		m->changed = true;
		for (size_t i = 0; i < create->n_table_elts; i++)
		{
			SqlNode *element = create->table_elts[i];

			if (element->node_case == PG_QUERY__NODE__NODE_COLUMN_DEF &&
			    strcmp(element->column_def->colname, column->name) == 0)
			{
				create->table_elts[i] = node;
				pg_query__node__free_unpacked(element, NULL);
				node = NULL;
				break;
			}
		}
		if (node == NULL)
			continue;
		create->table_elts =
		    xrealloc(create->table_elts, sizeof(SqlNode *) * (create->n_table_elts + 1));
		create->table_elts[create->n_table_elts++] = node;
	}
}

static void
create_table(Mapper *m, PgQuery__CreateStmt *create, Scope *scope)
{
	ObjectTable table;

	own_scope(m, scope, create->relation);
	mapper_range(m, create->relation, &table);
	if (table.column_count == 0)
		return;
	computed_columns(m, &table, create);
	for (size_t i = create->n_table_elts; i-- > 0;)
	{
		SqlNode *element = create->table_elts[i];

		if (element->node_case == PG_QUERY__NODE__NODE_CONSTRAINT &&
		    constraint_is_broken(m, scope, element))
			take_out(m, &create->n_table_elts, create->table_elts, i);
		else if (element->node_case == PG_QUERY__NODE__NODE_COLUMN_DEF &&
		         is_left_out(&table, element->column_def->colname))
			take_out(m, &create->n_table_elts, create->table_elts, i);
		else if (element->node_case == PG_QUERY__NODE__NODE_COLUMN_DEF)
			mapper_column(m, &table, &element->column_def->colname);
	}
	for (int k = 0; k < table.column_count; k++)
	{
		const char *target = object_table_target(&table, table.columns[k].name);

		if (table.columns[k].expr == NULL && !defines(create, target) &&
		    create->n_inh_relations == 0)
			mapper_needs(m, &table, table.columns[k].name);
	}
}

/* What of ALTER TABLE is about a column by name. */
static bool
is_about_column(PgQuery__AlterTableType type)
{
	switch ((int) type)
	{
		case PG_QUERY__ALTER_TABLE_TYPE__AT_AddColumn:
		case PG_QUERY__ALTER_TABLE_TYPE__AT_ColumnDefault:
		case PG_QUERY__ALTER_TABLE_TYPE__AT_DropNotNull:
		case PG_QUERY__ALTER_TABLE_TYPE__AT_SetNotNull:
		case PG_QUERY__ALTER_TABLE_TYPE__AT_DropExpression:
		case PG_QUERY__ALTER_TABLE_TYPE__AT_SetStatistics:
		case PG_QUERY__ALTER_TABLE_TYPE__AT_SetOptions:
		case PG_QUERY__ALTER_TABLE_TYPE__AT_ResetOptions:
		case PG_QUERY__ALTER_TABLE_TYPE__AT_SetStorage:
		case PG_QUERY__ALTER_TABLE_TYPE__AT_SetCompression:
		case PG_QUERY__ALTER_TABLE_TYPE__AT_DropColumn:
		case PG_QUERY__ALTER_TABLE_TYPE__AT_AlterColumnType:
		case PG_QUERY__ALTER_TABLE_TYPE__AT_AlterColumnGenericOptions:
		case PG_QUERY__ALTER_TABLE_TYPE__AT_AddIdentity:
		case PG_QUERY__ALTER_TABLE_TYPE__AT_SetIdentity:
		case PG_QUERY__ALTER_TABLE_TYPE__AT_DropIdentity:
			return true;
	}
	return false;
}

static void
alter_table(Mapper *m, PgQuery__AlterTableStmt *alter, Scope *scope)
{
	ObjectTable table;

	if (alter->relation == NULL || alter->relation->schemaname[0] == '\0')
		return;
	own_scope(m, scope, alter->relation);
	mapper_range(m, alter->relation, &table);
	for (size_t i = alter->n_cmds; i-- > 0;)
	{
		PgQuery__AlterTableCmd *cmd = alter->cmds[i]->alter_table_cmd;
		PgQuery__ColumnDef *def =
		    cmd->def != NULL && cmd->def->node_case == PG_QUERY__NODE__NODE_COLUMN_DEF
		        ? cmd->def->column_def
		        : NULL;
		const JobColumn *computed = object_table_column(&table, cmd->name);

		if (!is_about_column(cmd->subtype))
			continue;
		/* what the source says of a column whose value is computed is said of another value */
		if (cmd->name[0] != '\0' &&
		    (is_left_out(&table, cmd->name) || (computed != NULL && computed->expr != NULL)))
			take_out(m, &alter->n_cmds, alter->cmds, i);
		else if (def != NULL && def->colname[0] != '\0' && is_left_out(&table, def->colname))
			take_out(m, &alter->n_cmds, alter->cmds, i);
		else
		{
			if (cmd->name[0] != '\0')
				mapper_column(m, &table, &cmd->name);
			if (def != NULL && def->colname[0] != '\0')
				mapper_column(m, &table, &def->colname);
		}
	}
	m->gone = m->gone || alter->n_cmds == 0;
}

/* [schema, relation, column] and [schema, relation, part of it] */
static void
comment(Mapper *m, PgQuery__ObjectType type, SqlNode *object)
{
	SqlNode **items;
	size_t count;

	if (object == NULL)
		return;
	if (type == PG_QUERY__OBJECT_TYPE__OBJECT_SCHEMA && sql_tree_text(object) != NULL)
	{
		const char *target = object_map_schema(sql_map_objects(m->map), object->string->sval);

		if (strcmp(target, object->string->sval) != 0)
			mapper_set(m, &object->string->sval, target);
		return;
	}
	if (object->node_case != PG_QUERY__NODE__NODE_LIST)
		return;
	items = object->list->items;
	count = object->list->n_items;
	switch ((int) type)
	{
		case PG_QUERY__OBJECT_TYPE__OBJECT_COLUMN:
			if (count == 3)
			{
				ObjectTable table;

				mapper_table(m, sql_tree_text(items[0]), sql_tree_text(items[1]), &table);
				if (is_left_out(&table, sql_tree_text(items[2])))
					m->gone = true;
				else
					mapper_column(m, &table, &items[2]->string->sval);
			}
			mapper_relation_list(m, count, items);
			break;
		case PG_QUERY__OBJECT_TYPE__OBJECT_TABLE:
		case PG_QUERY__OBJECT_TYPE__OBJECT_FOREIGN_TABLE:
		case PG_QUERY__OBJECT_TYPE__OBJECT_VIEW:
		case PG_QUERY__OBJECT_TYPE__OBJECT_MATVIEW:
		case PG_QUERY__OBJECT_TYPE__OBJECT_SEQUENCE:
		case PG_QUERY__OBJECT_TYPE__OBJECT_INDEX:
		case PG_QUERY__OBJECT_TYPE__OBJECT_TYPE:
		case PG_QUERY__OBJECT_TYPE__OBJECT_TABCONSTRAINT:
		case PG_QUERY__OBJECT_TYPE__OBJECT_TRIGGER:
		case PG_QUERY__OBJECT_TYPE__OBJECT_RULE:
		case PG_QUERY__OBJECT_TYPE__OBJECT_POLICY:
			mapper_relation_list(m, count, items);
			break;
		case PG_QUERY__OBJECT_TYPE__OBJECT_OPCLASS:
		case PG_QUERY__OBJECT_TYPE__OBJECT_OPFAMILY:
			mapper_name_list(m, count - 1, items + 1);
			break;
		default:
			mapper_name_list(m, count, items);
	}
}

static void
grant(Mapper *m, PgQuery__GrantStmt *grant_stmt)
{
	bool schemas = grant_stmt->objtype == PG_QUERY__OBJECT_TYPE__OBJECT_SCHEMA ||
	               grant_stmt->targtype == PG_QUERY__GRANT_TARGET_TYPE__ACL_TARGET_ALL_IN_SCHEMA;

	for (size_t i = 0; i < grant_stmt->n_objects; i++)
	{
		SqlNode *object = grant_stmt->objects[i];

		if (schemas)
			comment(m, PG_QUERY__OBJECT_TYPE__OBJECT_SCHEMA, object);
		else
			comment(m, grant_stmt->objtype, object);
		if (object->node_case != PG_QUERY__NODE__NODE_RANGE_VAR)
			continue;
		for (size_t k = 0; k < grant_stmt->n_privileges; k++)
		{
			PgQuery__AccessPriv *privilege = grant_stmt->privileges[k]->access_priv;
			ObjectTable table;

			mapper_range(m, object->range_var, &table);
			for (size_t c = privilege->n_cols; c-- > 0;)
			{
				if (is_left_out(&table, sql_tree_text(privilege->cols[c])))
					take_out(m, &privilege->n_cols, privilege->cols, c);
				else
					mapper_column(m, &table, &privilege->cols[c]->string->sval);
				m->gone = m->gone || privilege->n_cols == 0;
			}
		}
	}
}

static void
drop(Mapper *m, PgQuery__DropStmt *stmt)
{
	for (size_t i = 0; i < stmt->n_objects; i++)
		comment(m, stmt->remove_type, stmt->objects[i]);
}

/* What the options list by name would no longer be found under it. */
static void
listed_renamed(Mapper *m, const char *what, const char *name)
{
	m->failed = true;
	error_set(m->err, ERR_CONFIG, "%s \"%s\", which the options give another name, is renamed",
	          what, name);
	error_detail(m->err, "The options would no longer name it.");
	error_hint(m->err, "Name it anew with dts_modify_objects.");
}

static void
rename_object(Mapper *m, PgQuery__RenameStmt *stmt)
{
	ObjectTable table;

	if (stmt->rename_type == PG_QUERY__OBJECT_TYPE__OBJECT_SCHEMA)
	{
		if (strcmp(object_map_schema(sql_map_objects(m->map), stmt->subname), stmt->subname) != 0)
			listed_renamed(m, "schema", stmt->subname);
		return;
	}
	comment(m, stmt->rename_type, stmt->object);
	if (stmt->relation == NULL || stmt->relation->schemaname[0] == '\0')
		return;
	mapper_range(m, stmt->relation, &table);
	if (stmt->rename_type == PG_QUERY__OBJECT_TYPE__OBJECT_COLUMN)
	{
		if (table.column_count == 0)
			return;
		if (is_left_out(&table, stmt->subname))
			m->gone = true;
		else
			listed_renamed(m, "column", stmt->subname);
	}
	else if (stmt->rename_type == PG_QUERY__OBJECT_TYPE__OBJECT_TABLE ||
	         stmt->rename_type == PG_QUERY__OBJECT_TYPE__OBJECT_VIEW ||
	         stmt->rename_type == PG_QUERY__OBJECT_TYPE__OBJECT_MATVIEW ||
	         stmt->rename_type == PG_QUERY__OBJECT_TYPE__OBJECT_SEQUENCE)
	{
		ObjectTable after;

		mapper_table(m, stmt->relation->schemaname, stmt->newname, &after);
		if (strcmp(table.target_name, table.name) != 0 || table.column_count > 0)
			listed_renamed(m, "table", table.name);
		else if (strcmp(after.target_name, stmt->newname) != 0)
			mapper_set(m, &stmt->newname, after.target_name);
	}
}

static void
set_schema(Mapper *m, PgQuery__AlterObjectSchemaStmt *stmt)
{
	const char *target = object_map_schema(sql_map_objects(m->map), stmt->newschema);
	ObjectTable table;

	comment(m, stmt->object_type, stmt->object);
	if (stmt->relation != NULL && stmt->relation->schemaname[0] != '\0')
	{
		mapper_range(m, stmt->relation, &table);
		if (strcmp(table.target_name, table.name) != 0 || table.column_count > 0)
			listed_renamed(m, "table", table.name);
	}
	if (strcmp(target, stmt->newschema) != 0)
		mapper_set(m, &stmt->newschema, target);
}

/* Elements that name a column of the table that the statement is about. */
static void
element(Mapper *m, char **name)
{
	const ScopeItem *item = m->scope != NULL ? m->scope->items : NULL;

	if ((*name)[0] != '\0' && item != NULL && item->is_table)
		mapper_column(m, &item->table, name);
}

bool
mapper_enter_table(Mapper *m, ProtobufCMessage *message, Scope *scope)
{
	const ProtobufCMessageDescriptor *d = message->descriptor;

	if (d == &pg_query__create_stmt__descriptor)
		create_table(m, (PgQuery__CreateStmt *) message, scope);
	else if (d == &pg_query__alter_table_stmt__descriptor)
		alter_table(m, (PgQuery__AlterTableStmt *) message, scope);
	else if (d == &pg_query__index_stmt__descriptor)
		own_scope(m, scope, ((PgQuery__IndexStmt *) message)->relation);
	else if (d == &pg_query__create_policy_stmt__descriptor)
		own_scope(m, scope, ((PgQuery__CreatePolicyStmt *) message)->table);
	else if (d == &pg_query__create_stats_stmt__descriptor)
	{
		PgQuery__CreateStatsStmt *stats = (PgQuery__CreateStatsStmt *) message;

		if (stats->n_relations > 0 &&
		    stats->relations[0]->node_case == PG_QUERY__NODE__NODE_RANGE_VAR)
			own_scope(m, scope, stats->relations[0]->range_var);
	}
	else if (d == &pg_query__create_trig_stmt__descriptor)
	{
		PgQuery__CreateTrigStmt *trigger = (PgQuery__CreateTrigStmt *) message;
		ObjectTable table;

		mapper_range(m, trigger->relation, &table);
		mapper_columns(m, &table, trigger->n_columns, trigger->columns);
		mapper_scope_pair(m, scope, trigger->relation);
	}
	else if (d == &pg_query__rule_stmt__descriptor)
		mapper_scope_pair(m, scope, ((PgQuery__RuleStmt *) message)->relation);
	else if (d == &pg_query__publication_table__descriptor)
	{
		PgQuery__PublicationTable *published = (PgQuery__PublicationTable *) message;
		ObjectTable table;

		mapper_range(m, published->relation, &table);
		mapper_columns(m, &table, published->n_columns, published->columns);
		own_scope(m, scope, published->relation);
	}
	else
	{
		if (d == &pg_query__constraint__descriptor)
		{
			const ObjectTable none = {.name = ""};
			const ScopeItem *item = m->scope != NULL ? m->scope->items : NULL;

			constraint(m, item != NULL && item->is_table ? &item->table : &none,
			           (PgQuery__Constraint *) message);
		}
		else if (d == &pg_query__index_elem__descriptor)
			element(m, &((PgQuery__IndexElem *) message)->name);
		else if (d == &pg_query__stats_elem__descriptor)
			element(m, &((PgQuery__StatsElem *) message)->name);
		else if (d == &pg_query__partition_elem__descriptor)
			element(m, &((PgQuery__PartitionElem *) message)->name);
		else if (d == &pg_query__comment_stmt__descriptor)
			comment(m, ((PgQuery__CommentStmt *) message)->objtype,
			        ((PgQuery__CommentStmt *) message)->object);
		else if (d == &pg_query__sec_label_stmt__descriptor)
			comment(m, ((PgQuery__SecLabelStmt *) message)->objtype,
			        ((PgQuery__SecLabelStmt *) message)->object);
		else if (d == &pg_query__alter_owner_stmt__descriptor)
			comment(m, ((PgQuery__AlterOwnerStmt *) message)->object_type,
			        ((PgQuery__AlterOwnerStmt *) message)->object);
		else if (d == &pg_query__grant_stmt__descriptor)
			grant(m, (PgQuery__GrantStmt *) message);
		else if (d == &pg_query__drop_stmt__descriptor)
			drop(m, (PgQuery__DropStmt *) message);
		else if (d == &pg_query__rename_stmt__descriptor)
			rename_object(m, (PgQuery__RenameStmt *) message);
		else if (d == &pg_query__alter_object_schema_stmt__descriptor)
			set_schema(m, (PgQuery__AlterObjectSchemaStmt *) message);
		return false;
	}
	return true;
}

#endif
