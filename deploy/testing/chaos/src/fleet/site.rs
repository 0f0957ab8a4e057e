//! Where a fleet lives, and what its processes are told.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use bodega_embedded_postgres::testing::TempDir;
use bodega_stripe_double::{Options, StripeDouble};

use super::{
    Admin, FleetOptions,
    member::{Member, Recipe},
    probe::Probe,
    programs::{self, BODEGA, Programs, program_of},
    role::Role,
};
use crate::proxy::Proxy;

/// A directory, the programs, and the secrets that they share.
pub(super) struct Site {
    programs: Programs,
    /// Everything that a fleet leaves behind is in here.
    directory: TempDir,
    logs: PathBuf,
    service_token: String,
    jwt_secret_key: String,
    access_ttl: Option<Duration>,
}

impl Site {
    /// Finds the programs, and makes the directory.
    ///
    /// # Errors
    /// When a program is missing, or there can be no directory.
    pub(super) fn prepare(options: FleetOptions) -> anyhow::Result<Self> {
        let programs = Programs::find()?;
        let directory = TempDir::new("chaos").context("no temporary directory")?;
        let logs = options.log_dir.unwrap_or_else(|| directory.path().join("logs"));
        fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
        Ok(Self {
            programs,
            directory,
            logs,
            service_token: random(),
            jwt_secret_key: random(),
            access_ttl: options.access_ttl,
        })
    }

    /// Where data goes.
    pub(super) fn data_dir(&self) -> &Path {
        self.directory.path()
    }

    /// A process that serves everything, with a database of its own.
    pub(super) fn whole_store(&self, proxy: Proxy, stripe: &StripeDouble, admin: &Admin) -> Member {
        let mut variables = self.variables(stripe);
        variables.extend([
            ("BODEGA_DATA_DIR".to_owned(), self.data_dir().into()),
            ("BODEGA_DEMO".to_owned(), "false".into()),
            ("BODEGA_ADMIN_EMAIL".to_owned(), admin.email.clone().into()),
            ("BODEGA_ADMIN_PASSWORD".to_owned(), admin.password.clone().into()),
        ]);
        self.member(BODEGA.to_owned(), "BODEGA_HTTP", Probe::Http, variables, proxy)
    }

    /// One of the processes, with all of them behind these proxies, in the order of [`Role::PROCESSES`].
    pub(super) fn process(
        &self,
        role: Role,
        proxies: &[String],
        proxy: Proxy,
        database_url: &str,
        stripe: &StripeDouble,
    ) -> Member {
        let mut variables = self.variables(stripe);
        variables.push(("BODEGA_SERVICE_TOKEN".to_owned(), self.service_token.clone().into()));
        for (service, url) in Role::SERVICES.iter().zip(proxies) {
            variables.push((format!("BODEGA_{}_URL", service.name().to_uppercase()), url.into()));
        }
        let probe = if role == Role::Gateway { Probe::Http } else { Probe::Grpc };
        if role != Role::Gateway {
            variables.push(("DATABASE_URL".to_owned(), database_url.into()));
        }
        self.member(program_of(role), "BODEGA_LISTEN", probe, variables, proxy)
    }

    /// Makes the schemas, and an admin, in a database that is empty.
    ///
    /// # Errors
    /// When that fails, with what was said.
    pub(super) async fn furnish(&self, database_url: &str, admin: &Admin) -> anyhow::Result<()> {
        let arguments = ["admin", "create", "--email", &admin.email, "--password", &admin.password];
        self.run(&arguments, database_url).await.context("`bodega admin create` fails")?;
        Ok(())
    }

    /// Looks whether everything adds up in a database; the report.
    ///
    /// # Errors
    /// When it does not, with the report.
    pub(super) async fn verify(&self, database_url: &str) -> anyhow::Result<String> {
        self.run(&["verify"], database_url).await.context("`bodega verify` fails")
    }

    async fn run(&self, arguments: &[&str], database_url: &str) -> anyhow::Result<String> {
        let mut command = self.programs.command(BODEGA);
        command.args(arguments).env("DATABASE_URL", database_url);
        command.env("BODEGA_DATA_DIR", self.data_dir()).env("JWT_SECRET_KEY", &self.jwt_secret_key);
        programs::run(command).await
    }

    fn member(
        &self,
        program: String,
        address_variable: &'static str,
        probe: Probe,
        variables: Vec<(String, OsString)>,
        proxy: Proxy,
    ) -> Member {
        let log = self.logs.join(format!("{program}.log"));
        let recipe = Recipe { program, variables, address_variable, probe, log };
        Member::new(self.programs.clone(), recipe, proxy)
    }

    /// What every process is told; what is not meant for it, it does not read.
    fn variables(&self, stripe: &StripeDouble) -> Vec<(String, OsString)> {
        let Options { secret_key, publishable_key, webhook_secret, .. } = stripe.options();
        let mut variables: Vec<(&str, OsString)> = vec![
            ("JWT_SECRET_KEY", self.jwt_secret_key.clone().into()),
            ("BODEGA_MEDIA_DIR", self.data_dir().join("media").into()),
            ("STRIPE_SECRET_KEY", secret_key.into()),
            ("STRIPE_PUBLISHABLE_KEY", publishable_key.into()),
            ("STRIPE_WEBHOOK_SECRET", webhook_secret.into()),
            ("BODEGA_STRIPE_URL", stripe.url().into()),
        ];
        if let Some(access_ttl) = self.access_ttl {
            variables.push(("BODEGA_ACCESS_TTL", access_ttl.as_secs().to_string().into()));
        }
        variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// A secret that nobody has to remember.
pub(super) fn random() -> String {
    format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>())
}
