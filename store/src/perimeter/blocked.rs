//! Addresses that are refused whatever they ask for: the list in the database, and each node's
//! copy of it, which is never older than a second and read without a lock.
//!
//! The copy follows by polling: a listener would be woken by every batch that the node commits.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use sqlx::{PgPool, Row, postgres::PgRow};
use tokio::{task::JoinHandle, time::sleep};

use super::{from_micros, network_of, sweep};
use crate::{error::StoreError, store::Store};

/// How often a node looks whether the list has changed.
const POLL: Duration = Duration::from_millis(500);
/// After so many looks a node sweeps what has expired.
const SWEEP_EVERY: u32 = 120;

/// One address on the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockedAddress {
    /// The address; of IPv6 the network, ended by `/64`.
    pub network: String,
    /// Why, for operators.
    pub reason: String,
    /// Since when.
    pub blocked_at: DateTime<Utc>,
    /// Until when; none: until it is removed.
    pub expires_at: Option<DateTime<Utc>>,
}

/// The list in the database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct BlockedList {
    pool: PgPool,
}

/// Until when each is blocked; none: until it is removed.
type Copied = HashMap<IpAddr, Option<Instant>>;

/// A node's copy of the list. Cheap to clone; follows the list until the last clone is dropped.
#[derive(Clone)]
pub struct BlockedAddresses {
    inner: Arc<Inner>,
}

struct Inner {
    list: BlockedList,
    copied: Arc<ArcSwap<Copied>>,
    follower: JoinHandle<()>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

impl BlockedList {
    /// The list of the book's database.
    #[must_use]
    pub fn new(store: &Store) -> Self {
        Self {
            pool: store.pool().clone(),
        }
    }

    /// Who is on it, the newest first.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn all(&self) -> Result<Vec<BlockedAddress>, StoreError> {
        let sql = "
            select abbrev(network::inet), reason, blocked_at, expires_at from public.blocked_addresses
            where expires_at is null or expires_at > clock_timestamp()
            order by blocked_at desc, network";
        let rows = sqlx::query(sql).try_map(|row: PgRow| {
            Ok(BlockedAddress {
                network: row.try_get(0)?,
                reason: row.try_get(1)?,
                blocked_at: row.try_get(2)?,
                expires_at: row.try_get(3)?,
            })
        });
        Ok(rows.fetch_all(&self.pool).await?)
    }

    /// Puts an address on it, for so long or until it is removed, whatever was said before.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn add(
        &self,
        address: IpAddr,
        reason: &str,
        span: Option<Duration>,
    ) -> Result<(), StoreError> {
        let sql = "
            insert into public.blocked_addresses (network, reason, expires_at)
            values ($1::cidr, $2, clock_timestamp() + make_interval(secs => $3))
            on conflict (network) do update set
                reason = excluded.reason, blocked_at = excluded.blocked_at,
                expires_at = excluded.expires_at";
        self.insert(sql, address, reason, span).await
    }

    /// The same, where the address is not on it for longer already.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn add_at_least(
        &self,
        address: IpAddr,
        reason: &str,
        span: Duration,
    ) -> Result<(), StoreError> {
        let sql = "
            insert into public.blocked_addresses as b (network, reason, expires_at)
            values ($1::cidr, $2, clock_timestamp() + make_interval(secs => $3))
            on conflict (network) do update set
                reason = excluded.reason, blocked_at = excluded.blocked_at,
                expires_at = excluded.expires_at
            where b.expires_at < excluded.expires_at";
        self.insert(sql, address, reason, Some(span)).await
    }

    async fn insert(
        &self,
        sql: &str,
        address: IpAddr,
        reason: &str,
        span: Option<Duration>,
    ) -> Result<(), StoreError> {
        sqlx::query(sql)
            .bind(cidr(address))
            .bind(reason)
            .bind(span.map(|span| span.as_secs_f64()))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Takes an address off it. False: it was not there.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn remove(&self, address: IpAddr) -> Result<bool, StoreError> {
        let sql = "
            delete from public.blocked_addresses where network = $1::cidr
            returning expires_at is null or expires_at > clock_timestamp()";
        let was_there: Option<bool> = sqlx::query_scalar(sql)
            .bind(cidr(address))
            .fetch_optional(&self.pool)
            .await?;
        Ok(was_there.unwrap_or(false))
    }

    /// A number that changes with the list.
    async fn version(&self) -> Result<i64, StoreError> {
        let sql = "select version from public.blocked_addresses_version";
        Ok(sqlx::query_scalar(sql).fetch_one(&self.pool).await?)
    }

    async fn copy(&self) -> Result<Copied, StoreError> {
        let sql = "
            select host(network),
                (extract(epoch from expires_at - clock_timestamp()) * 1000000)::bigint
            from public.blocked_addresses
            where expires_at is null or expires_at > clock_timestamp()";
        let now = Instant::now();
        let rows: Vec<(String, Option<i64>)> = sqlx::query_as(sql).fetch_all(&self.pool).await?;
        let copied = rows.into_iter().map(|(network, left)| {
            let address = network.parse().map_err(|_| StoreError::Corrupt {
                place: "blocked_addresses".to_owned(),
                detail: format!("{network} is no address"),
            })?;
            Ok((address, left.map(|left| now + from_micros(left))))
        });
        copied.collect()
    }
}

impl BlockedAddresses {
    /// Copies the list and goes on following it.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn follow(store: &Store) -> Result<Self, StoreError> {
        let list = BlockedList::new(store);
        let version = list.version().await?;
        let copied = Arc::new(ArcSwap::from_pointee(list.copy().await?));
        let follower = keep_following(store.clone(), list.clone(), version, Arc::clone(&copied));
        let follower = tokio::spawn(follower);
        Ok(Self {
            inner: Arc::new(Inner {
                list,
                copied,
                follower,
            }),
        })
    }

    /// Whether it is blocked now.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let copied = self.inner.copied.load();
        if copied.is_empty() {
            return false;
        }
        match copied.get(&network_of(address)) {
            Some(Some(until)) => *until > Instant::now(),
            Some(None) => true,
            None => false,
        }
    }

    /// Blocks an address for at least so long: here at once, for the other nodes through the list.
    ///
    /// # Errors
    /// [`StoreError::Database`]; it is blocked here all the same, until the list is copied again.
    pub async fn block(
        &self,
        address: IpAddr,
        reason: &str,
        span: Duration,
    ) -> Result<(), StoreError> {
        let network = network_of(address);
        let until = Instant::now() + span;
        self.inner.copied.rcu(|copied| {
            let mut copied = Copied::clone(copied);
            let known = copied.entry(network).or_insert(Some(until));
            *known = known.map(|known| known.max(until));
            copied
        });
        self.inner.list.add_at_least(address, reason, span).await
    }
}

/// Looks for changes, for ever. While the database is away, what was known stays.
async fn keep_following(
    store: Store,
    list: BlockedList,
    mut version: i64,
    copied: Arc<ArcSwap<Copied>>,
) {
    let mut looks: u32 = 0;
    loop {
        sleep(POLL).await;
        looks += 1;
        let look = async {
            let newest = list.version().await?;
            if newest != version {
                // Read after the version: at least as new as it.
                copied.store(Arc::new(list.copy().await?));
                version = newest;
            }
            if looks >= SWEEP_EVERY {
                looks = 0;
                sweep(&store).await?;
            }
            Ok::<_, StoreError>(())
        };
        if let Err(error) = look.await {
            tracing::debug!(%error, "the list of blocked addresses was not read");
        }
    }
}

/// As the column wants it.
fn cidr(address: IpAddr) -> String {
    match network_of(address) {
        IpAddr::V4(address) => format!("{address}/32"),
        IpAddr::V6(network) => format!("{network}/64"),
    }
}
