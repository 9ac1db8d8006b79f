//! The two servers of a pair, and the databases that are put on them.

use crate::session::{Kind, Login, Session};
use landfall_servers::{mariadb, postgres};
use std::path::{Path, PathBuf};

/// The password of every login that is made here.
pub const PASSWORD: &str = "secret-of-a-test";

/// Landfall's own login, the fence writer's, and that of DMS's stand-in. They belong to the servers.
pub const ADMIN: &str = "landfall";
pub const FENCE: &str = "fence";
pub const DMS: &str = "dms";

/// Rows that are there before anybody writes.
const ROWS: u32 = 500;

/// A server.
pub enum Server {
    Postgres(postgres::Server),
    Mariadb(mariadb::Server),
}

/// Which of the two servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Source,
    Target,
}

impl Server {
    fn start(kind: Kind) -> Self {
        match kind {
            Kind::Postgres => Self::Postgres(postgres::Server::start()),
            Kind::Mariadb => Self::Mariadb(mariadb::Server::start()),
        }
    }

    fn port(&self) -> u16 {
        match self {
            Self::Postgres(server) => server.port,
            Self::Mariadb(server) => server.port,
        }
    }

    /// The folder with everything of it.
    fn folder(&self) -> &Path {
        match self {
            Self::Postgres(server) => server.folder(),
            Self::Mariadb(server) => server.folder(),
        }
    }
}

/// A pair of servers.
pub struct Servers {
    pub kind: Kind,
    source: Server,
    target: Server,
}

impl Servers {
    /// Starts both, with the logins that every database of theirs shares.
    pub async fn start(kind: Kind) -> Self {
        let servers = Self {
            kind,
            source: Server::start(kind),
            target: Server::start(kind),
        };
        for side in [Side::Source, Side::Target] {
            servers.run(side, &servers.maintenance(), &logins(kind)).await;
        }
        servers
    }

    /// Where they keep their data.
    pub fn folders(&self) -> Vec<PathBuf> {
        vec![self.source.folder().to_owned(), self.target.folder().to_owned()]
    }

    pub fn port(&self, side: Side) -> u16 {
        match side {
            Side::Source => self.source.port(),
            Side::Target => self.target.port(),
        }
    }

    /// The login of the test itself, which the plans keep open as they would a backup's.
    pub fn superuser(&self) -> &'static str {
        match self.kind {
            Kind::Postgres => postgres::Server::SUPERUSER,
            Kind::Mariadb => mariadb::Server::SUPERUSER,
        }
    }

    fn maintenance(&self) -> String {
        match self.kind {
            Kind::Postgres => "postgres".to_owned(),
            Kind::Mariadb => "mysql".to_owned(),
        }
    }

    /// A session of the test itself.
    pub async fn session(&self, side: Side, database: &str) -> Session {
        let password = match self.kind {
            Kind::Postgres => postgres::Server::PASSWORD,
            Kind::Mariadb => mariadb::Server::PASSWORD,
        };
        let login = Login {
            kind: self.kind,
            port: self.port(side),
            database: database.to_owned(),
            username: self.superuser().to_owned(),
            password: password.to_owned(),
        };
        let mut session = Session::open(&login).await.unwrap_or_else(|error| panic!("{error}"));
        if self.kind == Kind::Mariadb {
            // Nothing that the test does by itself is to reach the other server.
            let local = session.run("SET SESSION sql_log_bin = 0").await;
            local.unwrap_or_else(|error| panic!("{error}"));
        }
        session
    }

    /// Runs statements as the test itself.
    pub async fn run(&self, side: Side, database: &str, statements: &str) {
        let mut session = self.session(side, database).await;
        let done = session.run(statements).await;
        done.unwrap_or_else(|error| panic!("{side:?}: {error}"));
    }

    /// Makes a database on both sides, with the tables on both and rows on the source, and a login of its application.
    pub async fn add(&self, number: u32) -> Shop {
        let shop = Shop {
            kind: self.kind,
            name: format!("shop_{number}"),
            application: format!("app_{number}"),
            ports: [self.port(Side::Source), self.port(Side::Target)],
        };
        for side in [Side::Source, Side::Target] {
            let (name, application) = (&shop.name, &shop.application);
            match self.kind {
                Kind::Postgres => {
                    let role = format!("CREATE ROLE {application} LOGIN PASSWORD '{PASSWORD}'");
                    self.run(side, "postgres", &role).await;
                    self.run(side, "postgres", &format!("CREATE DATABASE {name}")).await;
                }
                Kind::Mariadb => {
                    // The source has been closed by the cutover before: it is opened for the next database.
                    let text = format!(
                        "SET GLOBAL read_only = 0; CREATE DATABASE {name};
                         CREATE USER {application}@'%' IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON {name}.* TO {application}@'%'"
                    );
                    self.run(side, "mysql", &text).await;
                }
            }
            self.run(side, name, &shop.tables()).await;
        }
        self.run(Side::Source, &shop.name, &shop.first_rows()).await;
        shop
    }

    /// What the next cutover on the same servers must not shut out: a database that was moved before.
    pub async fn keep_open(&self, shop: &Shop) {
        if self.kind == Kind::Mariadb {
            for side in [Side::Source, Side::Target] {
                let text = format!("GRANT READ ONLY ADMIN ON *.* TO {}@'%'", shop.application);
                self.run(side, "mysql", &text).await;
            }
        }
    }

    /// Takes a database away again.
    pub async fn remove(&self, shop: &Shop) {
        for side in [Side::Source, Side::Target] {
            let force = match self.kind {
                Kind::Postgres => " WITH (FORCE)",
                Kind::Mariadb => "",
            };
            let text = format!("DROP DATABASE {}{force}", shop.name);
            self.run(side, &self.maintenance(), &text).await;
        }
    }
}

fn logins(kind: Kind) -> String {
    match kind {
        // DMS's stand-in makes subscriptions on the target, which only a superuser may here.
        Kind::Postgres => format!(
            "CREATE ROLE {ADMIN} LOGIN SUPERUSER PASSWORD '{PASSWORD}';
             CREATE ROLE {FENCE} LOGIN PASSWORD '{PASSWORD}';
             CREATE ROLE {DMS} LOGIN REPLICATION SUPERUSER PASSWORD '{PASSWORD}';"
        ),
        // And on MariaDB it sets up replication, for which DMS itself needs no right.
        Kind::Mariadb => format!(
            "CREATE USER {ADMIN}@'%' IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON *.* TO {ADMIN}@'%' WITH GRANT OPTION;
             CREATE USER {FENCE}@'%' IDENTIFIED BY '{PASSWORD}'; GRANT READ ONLY ADMIN ON *.* TO {FENCE}@'%';
             CREATE USER {DMS}@'%' IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON *.* TO {DMS}@'%';"
        ),
    }
}

/// A database on both servers of a pair.
#[derive(Debug, Clone)]
pub struct Shop {
    pub kind: Kind,
    /// Of the database: `shop_3`.
    pub name: String,
    /// Its application's login.
    pub application: String,
    ports: [u16; 2],
}

impl Shop {
    /// The schema of its tables.
    pub fn schema(&self) -> &str {
        match self.kind {
            Kind::Postgres => "shop",
            Kind::Mariadb => &self.name,
        }
    }

    /// What DMS and Landfall call it: without underscores.
    pub fn id(&self) -> String {
        self.name.replace('_', "-")
    }

    /// A login to it.
    pub fn login(&self, side: Side, username: &str) -> Login {
        Login {
            kind: self.kind,
            port: self.ports[usize::from(side == Side::Target)],
            database: self.name.clone(),
            username: username.to_owned(),
            password: PASSWORD.to_owned(),
        }
    }

    /// A table with a key that counts, one that belongs to it, and one without a key.
    fn tables(&self) -> String {
        let application = &self.application;
        match self.kind {
            Kind::Postgres => format!(
                "CREATE SCHEMA shop AUTHORIZATION {application};
                 CREATE TABLE shop.orders (id bigserial PRIMARY KEY, writer int NOT NULL, n bigint NOT NULL,
                     version bigint NOT NULL, note text);
                 CREATE TABLE shop.lines (id bigserial PRIMARY KEY, order_id bigint NOT NULL REFERENCES shop.orders,
                     amount int NOT NULL);
                 CREATE TABLE shop.visits (writer int NOT NULL, n bigint NOT NULL, page varchar(100) NOT NULL);
                 ALTER TABLE shop.visits REPLICA IDENTITY FULL;
                 ALTER TABLE shop.orders OWNER TO {application};
                 ALTER TABLE shop.lines OWNER TO {application};
                 ALTER TABLE shop.visits OWNER TO {application};"
            ),
            Kind::Mariadb => "CREATE TABLE orders (id bigint AUTO_INCREMENT PRIMARY KEY, writer int NOT NULL,
                     n bigint NOT NULL, version bigint NOT NULL, note text);
                 CREATE TABLE `lines` (id bigint AUTO_INCREMENT PRIMARY KEY, order_id bigint NOT NULL,
                     amount int NOT NULL, FOREIGN KEY (order_id) REFERENCES orders (id));
                 CREATE TABLE visits (writer int NOT NULL, n bigint NOT NULL, page varchar(100) NOT NULL);"
                .to_owned(),
        }
    }

    fn first_rows(&self) -> String {
        let (series, number) = match self.kind {
            Kind::Postgres => (format!("generate_series(1, {ROWS}) AS s (seq)"), "seq"),
            Kind::Mariadb => (format!("seq_1_to_{ROWS}"), "seq"),
        };
        let schema = self.schema();
        format!(
            "INSERT INTO {schema}.orders (writer, n, version, note) SELECT 0, {number}, 0, concat('order ', {number}) FROM {series};
             INSERT INTO {schema}.lines (order_id, amount) SELECT id, n FROM {schema}.orders;
             INSERT INTO {schema}.visits (writer, n, page) SELECT 0, {number}, '/' FROM {series};"
        )
        .replace(".lines", &format!(".{}", self.lines()))
    }

    /// The table of lines, which is a reserved word of MariaDB.
    pub fn lines(&self) -> &'static str {
        match self.kind {
            Kind::Postgres => "lines",
            Kind::Mariadb => "`lines`",
        }
    }
}
