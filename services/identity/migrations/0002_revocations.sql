-- Ended sessions are found by the transaction that ended them, like the changes of the catalog. A reader that remembers its last
-- snapshot selects the sessions that were not ended in it. Notifications, which this replaces, do not pass through connection
-- poolers in transaction mode.

alter table identity.sessions add column ended_in xid8;
create index sessions_by_ending_transaction on identity.sessions (ended_in) where ended_in is not null;

-- A trigger, so that sessions ended by the previous version are found as well.
create function identity.record_session_end() returns trigger language plpgsql as $$
begin
    new.ended_in := pg_current_xact_id();
    return new;
end
$$;
create trigger session_ends_are_recorded before update of ended_at on identity.sessions
    for each row when (old.ended_at is null and new.ended_at is not null)
    execute function identity.record_session_end();

-- contract: no version that listens was released. One that still runs hears of ended sessions when its stream is reopened.
drop trigger notify_session_ended on identity.sessions;
drop function identity.notify_session_ended();
