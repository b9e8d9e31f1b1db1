//! Sign-ins that fail, counted for the account and for the address, exactly and by every node
//! together: an attempt takes its place among the failures before the password is looked at, and
//! gives it back when the password was right.
//!
//! Subjects are keyed hashes. Whoever changes what is counted for a subject holds its lock, both
//! subjects' in one order, so that nobody waits in a circle.

use std::{net::IpAddr, time::Duration};

use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use uuid::Uuid;

use super::{from_micros, micros, network_of};
use crate::{error::StoreError, keys::Keyring, store::Store};

/// An attempt of which nobody said what became of it has failed after this time.
const LAPSE: Duration = Duration::from_secs(60);

/// The failures' table. Cheap to clone.
#[derive(Clone)]
pub struct SignInTable {
    pool: PgPool,
    keys: Keyring,
}

/// How many failures block, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignInRules {
    /// The failure that blocks the account or the address; at least 1.
    pub failures_max: u32,
    /// For how long, and within what time failures count.
    pub window: Duration,
}

/// An attempt under way. Say what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    id: Uuid,
    account: String,
    address: String,
}

/// Whether an attempt may be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// It may, and counts as a failure until it has succeeded.
    Go(Attempt),
    /// As many attempts are under way as may still fail: one of them has to end first.
    Busy,
    /// The account or the address is blocked for so long.
    Blocked(Duration),
}

/// What is counted for the account and the address, the worse of the two.
struct Count {
    blocked_for: Option<Duration>,
    failed: i64,
    /// Failed or under way.
    taken: i64,
}

impl SignInTable {
    /// The table of the book's database.
    #[must_use]
    pub fn new(store: &Store) -> Self {
        Self {
            pool: store.pool().clone(),
            keys: store.keys().clone(),
        }
    }

    /// Reserves an attempt to sign in to `account` (a look-up hash, so that accounts which do not
    /// exist are counted alike) from `address`.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn reserve(
        &self,
        account: &str,
        address: IpAddr,
        rules: SignInRules,
    ) -> Result<Reserved, StoreError> {
        let attempt = self.attempt(account, address);
        let mut transaction = self.locked(&attempt).await?;
        let count = count(&mut transaction, &attempt).await?;
        if let Some(left) = count.blocked_for {
            return Ok(Reserved::Blocked(left));
        }
        let failures_max = i64::from(rules.failures_max);
        if count.failed >= failures_max {
            // Attempts that lapsed: their node has ended.
            block(&mut transaction, &attempt, rules).await?;
            transaction.commit().await?;
            return Ok(Reserved::Blocked(rules.window));
        }
        if count.taken >= failures_max {
            return Ok(Reserved::Busy);
        }
        let sql = "
            insert into public.sign_in_attempts (subject, attempt, lapses_at, expires_at)
            select subject, $2, now + make_interval(secs => $3),
                now + make_interval(secs => $3 + $4)
            from unnest($1::text[]) subject, (select clock_timestamp() as now) clock";
        sqlx::query(sql)
            .bind(attempt.subjects())
            .bind(attempt.id)
            .bind(LAPSE.as_secs_f64())
            .bind(rules.window.as_secs_f64())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(Reserved::Go(attempt))
    }

    /// The attempt has failed; blocks the account or the address where that was one too many.
    /// Returns how many failures the account has now.
    ///
    /// # Errors
    /// [`StoreError::Database`]; the attempt lapses into a failure by itself then.
    pub async fn failed(&self, attempt: &Attempt, rules: SignInRules) -> Result<u32, StoreError> {
        let mut transaction = self.locked(attempt).await?;
        let sql = "
            update public.sign_in_attempts
            set lapses_at = null, expires_at = clock_timestamp() + make_interval(secs => $3)
            where subject = any($1) and attempt = $2";
        sqlx::query(sql)
            .bind(attempt.subjects())
            .bind(attempt.id)
            .bind(rules.window.as_secs_f64())
            .execute(&mut *transaction)
            .await?;
        let sql = "
            select count(*) from public.sign_in_attempts
            where subject = $1 and expires_at > clock_timestamp()
              and (lapses_at is null or lapses_at <= clock_timestamp())";
        let failures: i64 = sqlx::query_scalar(sql)
            .bind(&attempt.account)
            .fetch_one(&mut *transaction)
            .await?;
        block(&mut transaction, attempt, rules).await?;
        transaction.commit().await?;
        Ok(u32::try_from(failures).unwrap_or(u32::MAX))
    }

    /// The owner signed in: the account's failures are forgotten. Those of the address are not, or
    /// anybody with an account of his own could go on guessing at others.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn succeeded(&self, attempt: &Attempt) -> Result<(), StoreError> {
        let sql = "
            delete from public.sign_in_attempts
            where (subject = any($1) and attempt = $2)
               or (subject = $3 and (lapses_at is null or lapses_at <= clock_timestamp()))";
        sqlx::query(sql)
            .bind(attempt.subjects())
            .bind(attempt.id)
            .bind(&attempt.account)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// The owner has proved who they are by other means than signing in: the account's failures are
    /// forgotten and it is blocked no longer. Attempts under way may fail still, and addresses stay
    /// as they are.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn forgive(&self, account: &str) -> Result<(), StoreError> {
        let sql = "
            with held as materialized (
                select pg_advisory_xact_lock(hashtextextended($1, 0))),
            failures as (
                delete from public.sign_in_attempts using held
                where subject = $1 and (lapses_at is null or lapses_at <= clock_timestamp()))
            delete from public.sign_in_blocks using held where subject = $1";
        sqlx::query(sql)
            .bind(account_subject(account))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Nothing became of the attempt, and nobody learnt anything: it never was.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn given_back(&self, attempt: &Attempt) -> Result<(), StoreError> {
        let sql = "
            delete from public.sign_in_attempts where subject = any($1) and attempt = $2";
        sqlx::query(sql)
            .bind(attempt.subjects())
            .bind(attempt.id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    fn attempt(&self, account: &str, address: IpAddr) -> Attempt {
        let network = network_of(address).to_string();
        let hash = self.keys.lookup_hash("sign_in_address", &network);
        Attempt {
            id: Uuid::now_v7(),
            account: account_subject(account),
            address: format!("address {hash}"),
        }
    }

    /// A transaction that holds the locks of both subjects.
    async fn locked(
        &self,
        attempt: &Attempt,
    ) -> Result<Transaction<'static, Postgres>, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let sql = "
            select pg_advisory_xact_lock(hashtextextended(subject, 0))
            from unnest($1::text[]) subject";
        sqlx::query(sql)
            .bind(attempt.subjects())
            .execute(&mut *transaction)
            .await?;
        Ok(transaction)
    }
}

impl Attempt {
    /// In the order in which they are locked: every account before every address.
    fn subjects(&self) -> [&str; 2] {
        [&self.account, &self.address]
    }
}

fn account_subject(account: &str) -> String {
    format!("account {account}")
}

async fn count(connection: &mut PgConnection, attempt: &Attempt) -> Result<Count, StoreError> {
    let sql = "
        with clock as materialized (select clock_timestamp() as now),
        counted as (
            select count(*) filter (where lapses_at is null or lapses_at <= now) as failed,
                   count(*) as taken
            from public.sign_in_attempts, clock
            where subject = any($1) and expires_at > now
            group by subject)
        select (select (extract(epoch from max(until) - max(now)) * 1000000)::bigint
                from public.sign_in_blocks, clock where subject = any($1) and until > now),
               coalesce(max(failed), 0), coalesce(max(taken), 0)
        from counted";
    let (left, failed, taken): (Option<i64>, i64, i64) = sqlx::query_as(sql)
        .bind(attempt.subjects())
        .fetch_one(connection)
        .await?;
    Ok(Count {
        blocked_for: left.map(from_micros),
        failed,
        taken,
    })
}

/// Blocks whichever of the two has failed too often. Its failures have had their effect then.
async fn block(
    connection: &mut PgConnection,
    attempt: &Attempt,
    rules: SignInRules,
) -> Result<(), StoreError> {
    let sql = "
        with clock as materialized (select clock_timestamp() as now),
        due as (
            insert into public.sign_in_blocks as b (subject, until)
            select subject, max(now) + $3 * interval '1 microsecond'
            from public.sign_in_attempts, clock
            where subject = any($1) and expires_at > now
              and (lapses_at is null or lapses_at <= now)
            group by subject having count(*) >= $2
            on conflict (subject) do update set until = greatest(b.until, excluded.until)
            returning subject)
        delete from public.sign_in_attempts a using due, clock
        where a.subject = due.subject and (a.lapses_at is null or a.lapses_at <= now)";
    sqlx::query(sql)
        .bind(attempt.subjects())
        .bind(i64::from(rules.failures_max))
        .bind(micros(rules.window))
        .execute(connection)
        .await?;
    Ok(())
}
