-- A reader of the dts wire format in plpgsql, for tests only.  It shares no code with decoder or applier, and checks
-- what it reads: order of messages and chunks, numbers, fragments, left-over bytes.
--   wire_test.readings(messages, exact)   readings as tests/golden/README describes them (exact), or for people:
--                                          no LSNs, times and OIDs, xids as x1, x2 … by first appearance, values as text
--   wire_test.changes(slot, option, …)     reads a slot, for people
CREATE SCHEMA wire_test;
SET search_path = wire_test, pg_catalog;

CREATE FUNCTION uv(m bytea, INOUT pos int, OUT val numeric) LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE b int; factor numeric := 1; n int := 0;
BEGIN
	val := 0;
	LOOP
		IF pos >= length(m) THEN RAISE EXCEPTION 'message ends inside a varint'; END IF;
		b := get_byte(m, pos); pos := pos + 1; n := n + 1;
		val := val + (b & 127) * factor; factor := factor * 128;
		EXIT WHEN b < 128;
	END LOOP;
	IF n > 1 AND b = 0 THEN RAISE EXCEPTION 'varint not in its shortest form'; END IF;
	IF val >= 18446744073709551616 THEN RAISE EXCEPTION 'varint of more than 64 bits'; END IF;
END $$;

CREATE FUNCTION raw(m bytea, INOUT pos int, n int, OUT val bytea) LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF pos + n > length(m) THEN RAISE EXCEPTION 'message ends inside a value'; END IF;
	val := substring(m FROM pos + 1 FOR n); pos := pos + n;
END $$;

CREATE FUNCTION str(m bytea, INOUT pos int, OUT val text) LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE n numeric; b bytea;
BEGIN
	SELECT * INTO pos, n FROM wire_test.uv(m, pos);
	SELECT * INTO pos, b FROM wire_test.raw(m, pos, n::int);
	val := convert_from(b, 'UTF8');
END $$;

CREATE FUNCTION u64(m bytea, INOUT pos int, OUT val bigint) LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE b bytea;
BEGIN
	SELECT * INTO pos, b FROM wire_test.raw(m, pos, 8);
	val := ('x' || encode(b, 'hex'))::bit(64)::bigint;
END $$;

CREATE FUNCTION lsn(l bigint) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT upper(to_hex((l >> 32) & 4294967295)) || '/' || upper(to_hex(l & 4294967295)) $$;

CREATE FUNCTION quote(t text) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT '"' || replace(replace(t, '\', '\\'), '"', '\"') || '"' $$;

CREATE FUNCTION flags(f int, letters text) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT coalesce(nullif(string_agg(CASE WHEN f & (1 << (i - 1)) <> 0 THEN substr(letters, i, 1) END, '' ORDER BY i), ''), '-')
   FROM generate_series(1, length(letters)) i WHERE substr(letters, i, 1) <> ' ' $$;

-- A value for people.
CREATE FUNCTION value(type oid, format text, v bytea) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE h text := encode(v, 'hex');
BEGIN
	IF format = 't' OR type IN (25, 1043, 1042, 114, 19) THEN
		RETURN CASE WHEN length(v) > 60 THEN format('%s bytes of %s', length(v), md5(v)) ELSE quote_literal(convert_from(v, 'UTF8')) END;
	END IF;
	RETURN CASE type WHEN 16 THEN CASE h WHEN '01' THEN 't' ELSE 'f' END
		WHEN 21 THEN (('x' || h)::bit(16)::int << 16 >> 16)::text
		WHEN 23 THEN ('x' || h)::bit(32)::int::text
		WHEN 20 THEN ('x' || h)::bit(64)::bigint::text
		ELSE CASE WHEN length(v) > 60 THEN format('%s bytes of %s', length(v), md5(v)) WHEN h = '' THEN '''''' ELSE h END END;
END $$;

-- Readings of one tuple; longs: the complete long values at hand, those used are taken off.
CREATE FUNCTION tuple(m bytea, INOUT pos int, rel jsonb, keys boolean, is_old boolean, exact boolean, INOUT longs text[], OUT reading text)
LANGUAGE plpgsql STABLE AS $$
DECLARE f int; map bytea; c jsonb; i int := 0; n int; st int; len numeric; v bytea; parts text[] := '{}';
BEGIN
	f := get_byte(m, pos); pos := pos + 1;
	IF f > 1 THEN RAISE EXCEPTION 'unknown tuple flag'; END IF;
	SELECT count(*) INTO n FROM jsonb_array_elements(rel->'columns') e WHERE NOT keys OR (e->>'key')::boolean;
	IF f = 1 THEN
		SELECT * INTO pos, map FROM wire_test.raw(m, pos, (n + 3) / 4);
		IF n % 4 <> 0 AND get_byte(map, length(map) - 1) >> (n % 4 * 2) <> 0 THEN RAISE EXCEPTION 'padding bits of the state map not zero'; END IF;
	END IF;
	FOR c IN SELECT e FROM jsonb_array_elements(rel->'columns') e WHERE NOT keys OR (e->>'key')::boolean LOOP
		st := CASE WHEN f = 1 THEN (get_byte(map, i / 4) >> (i % 4 * 2)) & 3 ELSE 0 END; i := i + 1;
		IF st = 1 THEN parts := parts || 'null'::text; CONTINUE; END IF;
		IF st = 2 THEN
			IF is_old THEN RAISE EXCEPTION 'UNCHANGED in an old tuple'; END IF;
			parts := parts || 'unchanged'::text; CONTINUE;
		END IF;
		IF st = 3 THEN
			IF cardinality(longs) = 0 THEN RAISE EXCEPTION 'LONG without fragments'; END IF;
			parts := parts || CASE WHEN exact THEN 'long' ELSE 'long ' || wire_test.value((c->>'type')::oid, c->>'format', decode(longs[1], 'hex')) END;
			longs := longs[2:]; CONTINUE;
		END IF;
		IF c->>'format' = 'f' THEN len := (c->>'length')::int; ELSE SELECT * INTO pos, len FROM wire_test.uv(m, pos); END IF;
		SELECT * INTO pos, v FROM wire_test.raw(m, pos, len::int);
		parts := parts || CASE WHEN exact THEN CASE WHEN length(v) = 0 THEN '''''' ELSE encode(v, 'hex') END
			ELSE wire_test.value((c->>'type')::oid, c->>'format', v) END;
	END LOOP;
	reading := '(' || array_to_string(parts, ', ') || ')';
END $$;

CREATE FUNCTION relation(m bytea, INOUT pos int, exact boolean, OUT rel jsonb, OUT reading text) LANGUAGE plpgsql STABLE AS $$
DECLARE num numeric; oid_ numeric; s text; t text; kind text; ident text; f int; root text := '-'; ro numeric; rs text; rt text; n numeric;
	cf int; cn text; ct numeric; cm numeric; fmt text; len numeric; ts text; tn text; cols text[] := '{}'; js jsonb := '[]';
BEGIN
	SELECT * INTO pos, num FROM wire_test.uv(m, pos);
	SELECT * INTO pos, oid_ FROM wire_test.uv(m, pos);
	SELECT * INTO pos, s FROM wire_test.str(m, pos);
	SELECT * INTO pos, t FROM wire_test.str(m, pos);
	kind := chr(get_byte(m, pos)); ident := chr(get_byte(m, pos + 1)); f := get_byte(m, pos + 2); pos := pos + 3;
	IF f & 1 <> 0 THEN
		SELECT * INTO pos, ro FROM wire_test.uv(m, pos);
		SELECT * INTO pos, rs FROM wire_test.str(m, pos);
		SELECT * INTO pos, rt FROM wire_test.str(m, pos);
		root := CASE WHEN exact THEN ro || ':' ELSE '' END || wire_test.quote(rs) || '.' || wire_test.quote(rt);
	END IF;
	SELECT * INTO pos, n FROM wire_test.uv(m, pos);
	IF n > 1664 THEN RAISE EXCEPTION 'more columns than allowed'; END IF;
	FOR i IN 1 .. n LOOP
		cf := get_byte(m, pos); pos := pos + 1; ts := NULL; len := NULL;
		SELECT * INTO pos, cn FROM wire_test.str(m, pos);
		SELECT * INTO pos, ct FROM wire_test.uv(m, pos);
		SELECT * INTO pos, cm FROM wire_test.uv(m, pos);
		fmt := chr(get_byte(m, pos)); pos := pos + 1;
		IF fmt = 'f' THEN SELECT * INTO pos, len FROM wire_test.uv(m, pos); END IF;
		IF cf & 2 <> 0 THEN
			SELECT * INTO pos, ts FROM wire_test.str(m, pos);
			SELECT * INTO pos, tn FROM wire_test.str(m, pos);
		END IF;
		cols := cols || (wire_test.quote(cn) || ' ' || CASE WHEN exact THEN ct || '/' || (cm - 1) WHEN ts IS NULL THEN format_type(ct::bigint::oid, (cm - 1)::int) ELSE '' END
			|| CASE WHEN NOT exact AND ts IS NOT NULL THEN '' ELSE ' ' END || fmt || coalesce(len::text, '') || coalesce(':' || wire_test.quote(ts) || '.' || wire_test.quote(tn), '')
			|| ' ' || wire_test.flags(cf, 'k ni'));
		js := js || jsonb_build_object('key', cf & 1 <> 0, 'type', ct, 'format', fmt, 'length', len);
	END LOOP;
	rel := jsonb_build_object('number', num, 'columns', js);
	reading := format('relation %s %s%s.%s kind=%s identity=%s flags=%s root=%s columns=(%s)', num, CASE WHEN exact THEN 'oid=' || oid_ || ' ' ELSE '' END,
		wire_test.quote(s), wire_test.quote(t), kind, ident, wire_test.flags(f, 'RNW'), root, array_to_string(cols, ', '));
END $$;

CREATE FUNCTION header(m bytea, INOUT pos int, exact boolean, OUT xid text, OUT reading text) LANGUAGE plpgsql STABLE AS $$
DECLARE l bigint; n numeric; t bigint; o text; x numeric;
BEGIN
	SELECT * INTO pos, x FROM wire_test.uv(m, pos); xid := x::text;
	SELECT * INTO pos, l FROM wire_test.u64(m, pos);
	SELECT * INTO pos, n FROM wire_test.uv(m, pos);
	SELECT * INTO pos, t FROM wire_test.u64(m, pos);
	SELECT * INTO pos, o FROM wire_test.str(m, pos);
	IF NOT exact AND (abs(extract(epoch FROM timestamptz '2000-01-01 00:00:00+00' + t * interval '1 microsecond' - clock_timestamp())) > 600 OR n NOT BETWEEN 1 AND 10000000) THEN
		RAISE EXCEPTION 'implausible header: time %, length %', t, n;
	END IF;
	reading := CASE WHEN exact THEN format('commit=%s end=%s time=%s ', wire_test.lsn(l), wire_test.lsn(l + n::bigint), t) ELSE '' END || 'origin=' || wire_test.quote(o);
END $$;

CREATE FUNCTION readings(messages bytea[], exact boolean) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE m bytea; pos int; k text; f int; n numeric; c numeric; h text; x text; y numeric; z bigint; gid text; g text; r record; rels jsonb := '{}'; last_number int := 0;
	longs text[] := '{}'; part text := NULL; total numeric; piece bytea; open_chunk numeric := NULL; streams jsonb := '{}'; xids text[] := '{}';
	first boolean := true; rel jsonb; a text; b text; out text; old boolean; tot text;
BEGIN
	FOREACH m IN ARRAY coalesce(messages, '{}') LOOP
		IF length(m) = 0 THEN RAISE EXCEPTION 'empty message'; END IF;
		k := chr(get_byte(m, 0)); pos := 1;
		IF first <> (k = 'H') THEN RAISE EXCEPTION 'HELLO must be the first message and only that'; END IF;
		first := false;
		IF open_chunk IS NOT NULL AND k NOT IN ('T', 'P') THEN RAISE EXCEPTION 'another message between the chunks of a transaction'; END IF;
		IF k = 'H' THEN
			IF substring(m FROM 2 FOR 4) <> 'DTSW' THEN RAISE EXCEPTION 'wrong magic'; END IF;
			IF get_byte(m, 5) <> 1 THEN RAISE EXCEPTION 'unknown version'; END IF;
			SELECT * INTO pos, n FROM wire_test.uv(m, 6);
			SELECT * INTO pos, g FROM wire_test.str(m, pos);
			SELECT * INTO pos, c FROM wire_test.uv(m, pos);
			SELECT * INTO pos, h FROM wire_test.str(m, pos);
			RETURN NEXT format('hello version=1 %sencoding=%s chunk=%s decoder=%s', CASE WHEN exact THEN format('server=%s ', n) ELSE '' END, wire_test.quote(g), c, wire_test.quote(h));
		ELSIF k IN ('T', 'P') THEN
			f := get_byte(m, 1); g := '';
			SELECT * INTO pos, x, h FROM wire_test.header(m, 2, exact);
			IF k = 'P' THEN SELECT * INTO pos, gid FROM wire_test.str(m, pos); g := 'gid=' || wire_test.quote(gid) || ' '; END IF;
			SELECT * INTO pos, c FROM wire_test.uv(m, pos);
			IF (f & 1 <> 0) <> (open_chunk IS NULL) OR c <> coalesce(open_chunk, 0) OR f > 3 THEN RAISE EXCEPTION 'chunk out of order'; END IF;
			open_chunk := CASE WHEN f & 2 = 0 THEN c + 1 END;
			IF NOT x = ANY (xids) THEN xids := xids || x; END IF;
			RETURN NEXT format('%s flags=%s chunk=%s %sxid=%s %s', CASE k WHEN 'T' THEN 'txn' ELSE 'prepare' END, wire_test.flags(f, 'FL'), c, g,
				CASE WHEN exact THEN x ELSE 'x' || array_position(xids, x) END, h);
		ELSIF k = 'S' THEN
			SELECT * INTO pos, y FROM wire_test.uv(m, pos); x := y::text;
			SELECT * INTO pos, c FROM wire_test.uv(m, pos);
			IF c <> coalesce((streams->>x)::numeric, 0) THEN RAISE EXCEPTION 'piece out of order'; END IF;
			streams := streams || jsonb_build_object(x, c + 1);
			IF NOT x = ANY (xids) THEN xids := xids || x; END IF;
			RETURN NEXT format('stream xid=%s chunk=%s', CASE WHEN exact THEN x ELSE 'x' || array_position(xids, x) END, c);
		ELSIF k = 'a' THEN
			SELECT * INTO pos, y FROM wire_test.uv(m, pos); x := y::text;
			SELECT * INTO pos, y FROM wire_test.uv(m, pos);
			IF NOT streams ? x THEN RAISE EXCEPTION 'abort of a transaction that was not streamed'; END IF;
			IF x = y::text THEN streams := streams - x; END IF;
			IF NOT y::text = ANY (xids) THEN xids := xids || y::text; END IF;
			RETURN NEXT format('stream_abort xid=%s sub=%s', CASE WHEN exact THEN x ELSE 'x' || array_position(xids, x) END, CASE WHEN exact THEN y::text ELSE 'x' || array_position(xids, y::text) END);
		ELSIF k IN ('c', 'p', 'K', 'R') THEN
			SELECT * INTO pos, x, h FROM wire_test.header(m, pos, exact);
			g := '';
			IF k IN ('c', 'p') THEN
				IF NOT streams ? x THEN RAISE EXCEPTION 'end of a transaction that was not streamed'; END IF;
				streams := streams - x;
			END IF;
			IF k <> 'c' THEN SELECT * INTO pos, gid FROM wire_test.str(m, pos); g := 'gid=' || wire_test.quote(gid) || ' '; END IF;
			IF k IN ('K', 'R') THEN
				SELECT * INTO pos, z FROM wire_test.u64(m, pos);
				g := g || CASE WHEN exact THEN 'prepare_end=' || wire_test.lsn(z) || ' ' WHEN z = 0 THEN 'prepare_end=0/0 ' ELSE '' END;
			END IF;
			IF NOT x = ANY (xids) THEN xids := xids || x; END IF;
			RETURN NEXT format('%s %sxid=%s %s', CASE k WHEN 'c' THEN 'stream_commit' WHEN 'p' THEN 'stream_prepare' WHEN 'K' THEN 'commit_prepared' ELSE 'rollback_prepared' END, g,
				CASE WHEN exact THEN x ELSE 'x' || array_position(xids, x) END, h);
		ELSE RAISE EXCEPTION 'unknown message kind %', k;
		END IF;
		IF k NOT IN ('T', 'P', 'S') THEN
			IF pos <> length(m) THEN RAISE EXCEPTION 'bytes left over'; END IF;
			CONTINUE;
		END IF;
		WHILE pos < length(m) LOOP
			h := chr(get_byte(m, pos)); pos := pos + 1;
			IF h NOT IN ('F', 'r', 'x') AND part IS NOT NULL THEN RAISE EXCEPTION 'long value is not complete'; END IF;
			IF h = 'r' THEN
				SELECT * INTO r FROM wire_test.relation(m, pos, exact); pos := r.pos;
				IF (r.rel->>'number')::int <> last_number + 1 THEN RAISE EXCEPTION 'relation numbers count up by one'; END IF;
				last_number := last_number + 1; rels := rels || jsonb_build_object(r.rel->>'number', r.rel);
				RETURN NEXT r.reading; CONTINUE;
			ELSIF h = 'F' THEN
				f := get_byte(m, pos); pos := pos + 1; tot := '';
				IF f & 1 <> 0 THEN
					IF part IS NOT NULL THEN RAISE EXCEPTION 'long value is not complete'; END IF;
					part := ''; SELECT * INTO pos, total FROM wire_test.uv(m, pos);
					tot := ' total=' || total;
				END IF;
				SELECT * INTO pos, n FROM wire_test.uv(m, pos);
				SELECT * INTO pos, piece FROM wire_test.raw(m, pos, n::int);
				part := part || encode(piece, 'hex');
				IF length(part) / 2 > total OR (f & 2 <> 0 AND length(part) / 2 <> total) THEN RAISE EXCEPTION 'fragments do not have their total'; END IF;
				IF f & 2 <> 0 THEN longs := longs || part; part := NULL; END IF;
				RETURN NEXT 'fragment ' || wire_test.flags(f, 'FL') || tot || ' ' || CASE WHEN exact THEN encode(piece, 'hex') ELSE length(piece) || ' bytes' END; CONTINUE;
			ELSIF h = 'x' THEN
				IF k <> 'S' THEN RAISE EXCEPTION 'SUBXACT outside STREAM'; END IF;
				SELECT * INTO pos, y FROM wire_test.uv(m, pos);
				IF NOT y::text = ANY (xids) THEN xids := xids || y::text; END IF;
				RETURN NEXT 'subxact ' || CASE WHEN exact THEN y::text ELSE 'x' || array_position(xids, y::text) END; CONTINUE;
			ELSIF h = 'T' THEN
				f := get_byte(m, pos); SELECT * INTO pos, c FROM wire_test.uv(m, pos + 1);
				out := 'truncate ' || wire_test.flags(f, 'CR');
				FOR i IN 1 .. c LOOP
					SELECT * INTO pos, n FROM wire_test.uv(m, pos); out := out || ' ' || n;
					IF NOT rels ? n::text THEN RAISE EXCEPTION 'change of a relation never described'; END IF;
				END LOOP;
				RETURN NEXT out;
			ELSIF h = 'M' THEN
				SELECT * INTO pos, a FROM wire_test.str(m, pos);
				SELECT * INTO pos, n FROM wire_test.uv(m, pos);
				SELECT * INTO pos, piece FROM wire_test.raw(m, pos, n::int);
				RETURN NEXT 'message ' || wire_test.quote(a) || ' ' || CASE WHEN length(piece) = 0 THEN '''''' ELSE encode(piece, CASE WHEN exact THEN 'hex' ELSE 'escape' END) END;
			ELSIF h = 'N' THEN
				SELECT * INTO pos, n FROM wire_test.uv(m, pos);
				IF NOT rels ? n::text THEN RAISE EXCEPTION 'change of a relation never described'; END IF;
				RETURN NEXT format('no_identity %s %s', n, chr(get_byte(m, pos))); pos := pos + 1;
			ELSIF h = 'E' THEN
				SELECT * INTO pos, n FROM wire_test.uv(m, pos);
				IF NOT rels ? n::text THEN RAISE EXCEPTION 'change of a relation never described'; END IF;
				out := format('refused %s %s', n, chr(get_byte(m, pos))); pos := pos + 1;
				IF right(out, 1) NOT IN ('I', 'U', 'D') THEN RAISE EXCEPTION 'unknown operation'; END IF;
				SELECT * INTO pos, a FROM wire_test.str(m, pos);
				IF length(a) <> 5 THEN RAISE EXCEPTION 'SQLSTATE has no five characters'; END IF;
				SELECT * INTO pos, b FROM wire_test.str(m, pos);
				SELECT * INTO pos, part FROM wire_test.str(m, pos);
				SELECT * INTO pos, c FROM wire_test.uv(m, pos);
				out := format('%s state=%s position=%s column=%s expression=%s', out, a, c, wire_test.quote(b), wire_test.quote(part)); part := NULL;
				FOREACH x IN ARRAY '{message,detail,hint,key}'::text[] LOOP
					SELECT * INTO pos, a FROM wire_test.str(m, pos);
					out := format('%s %s=%s', out, x, wire_test.quote(a));
				END LOOP;
				RETURN NEXT out;
			ELSIF h IN ('I', 'U', 'K', 'O', 'D', 'X') THEN
				SELECT * INTO pos, n FROM wire_test.uv(m, pos);
				rel := rels->n::text;
				IF rel IS NULL THEN RAISE EXCEPTION 'change of a relation never described'; END IF;
				out := CASE h WHEN 'I' THEN 'insert' WHEN 'U' THEN 'update' WHEN 'K' THEN 'update_key' WHEN 'O' THEN 'update_old' WHEN 'D' THEN 'delete_key' ELSE 'delete_old' END || ' ' || n;
				old := h NOT IN ('I', 'U');
				IF old THEN SELECT * INTO pos, longs, a FROM wire_test.tuple(m, pos, rel, h IN ('K', 'D'), true, exact, longs); out := out || ' ' || a; END IF;
				IF h IN ('I', 'U', 'K', 'O') THEN SELECT * INTO pos, longs, b FROM wire_test.tuple(m, pos, rel, false, false, exact, longs); out := out || ' ' || b; END IF;
				RETURN NEXT out;
			ELSE RAISE EXCEPTION 'unknown record kind %', h;
			END IF;
			IF cardinality(longs) > 0 THEN RAISE EXCEPTION 'fragments that the next record does not use'; END IF;
		END LOOP;
	END LOOP;
END $$;

CREATE FUNCTION changes(slot text, VARIADIC options text[] DEFAULT '{}') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE messages bytea[];
BEGIN
	SELECT coalesce(array_agg(data ORDER BY n), '{}') INTO messages
	FROM pg_logical_slot_get_binary_changes(slot, NULL, NULL, VARIADIC ARRAY['protocol_version', '1'] || options) WITH ORDINALITY AS c(l, x, data, n);
	RETURN QUERY SELECT * FROM wire_test.readings(messages, false);
END $$;

-- The messages and readings of a golden vector, from the text of its file.
CREATE FUNCTION golden_messages(file text) RETURNS bytea[] LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg(decode(hex, 'hex') ORDER BY g) FROM (SELECT g, coalesce(string_agg(replace(substr(line, 3), ' ', ''), '' ORDER BY n), '') hex
	FROM (SELECT line, n, count(*) FILTER (WHERE line LIKE '>%') OVER (ORDER BY n) g FROM regexp_split_to_table(file, '\n') WITH ORDINALITY s(line, n)) s
	WHERE line ~ '^[>+]' GROUP BY g) t $$;
CREATE FUNCTION golden_readings(file text) RETURNS SETOF text LANGUAGE sql IMMUTABLE AS
$$ SELECT substr(line, 3) FROM regexp_split_to_table(file, '\n') WITH ORDINALITY s(line, n) WHERE line LIKE '= %' ORDER BY n $$;
RESET search_path;
