//! The user Postgres runs as: it refuses to run as root.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::Context;

/// A user and group other than root's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServerUser {
    uid: u32,
    gid: u32,
}

impl ServerUser {
    /// `postgres`, or `nobody` where there is no such user.
    ///
    /// # Errors
    /// When `/etc/passwd` names neither.
    pub(crate) fn of_this_machine() -> anyhow::Result<ServerUser> {
        let passwd = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
        ["postgres", "nobody"].iter().find_map(|name| ServerUser::in_passwd(&passwd, name)).context(
            "Postgres does not run as root, and there is neither a user `postgres` nor `nobody`: \
             start as an ordinary user",
        )
    }

    fn in_passwd(passwd: &str, name: &str) -> Option<ServerUser> {
        passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            if fields.next()? != name {
                return None;
            }
            let uid = fields.nth(1)?.parse().ok()?;
            let gid = fields.next()?.parse().ok()?;
            (uid != 0).then_some(ServerUser { uid, gid })
        })
    }

    /// Who owns `path`; none when it is root.
    pub(crate) fn owner_of(path: &Path) -> anyhow::Result<Option<ServerUser>> {
        let metadata = fs::metadata(path).with_context(|| format!("cannot read {path:?}"))?;
        let owner = ServerUser { uid: metadata.uid(), gid: metadata.gid() };
        Ok((owner.uid != 0).then_some(owner))
    }

    /// Whether this user may enter `directory`. Reads the permission bits only: an access control
    /// list that grants more is not seen.
    pub(crate) fn reaches(self, directory: &Path) -> bool {
        directory.ancestors().all(|ancestor| {
            fs::metadata(ancestor).is_ok_and(|found| {
                let bit = match (found.uid() == self.uid, found.gid() == self.gid) {
                    (true, _) => 0o100,
                    (false, true) => 0o010,
                    (false, false) => 0o001,
                };
                found.mode() & bit != 0
            })
        })
    }

    pub(crate) fn uid(self) -> u32 {
        self.uid
    }

    pub(crate) fn give(self, path: &Path) -> anyhow::Result<()> {
        chown(path, Some(self.uid), Some(self.gid))
            .with_context(|| format!("cannot give {path:?} to user {}", self.uid))
    }

    /// Makes `command` run as this user, without root's supplementary groups.
    pub(crate) fn run(self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }
}

/// Whether we are root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::testing::TempDir;

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let passwd = "root:x:0:0::/:\npostgres2:x:7:8::/:\npostgres:x:101:104::/:\n";
        let user = ServerUser::in_passwd(passwd, "postgres").unwrap();
        assert_eq!(user, ServerUser { uid: 101, gid: 104 });
        assert_eq!(ServerUser::in_passwd(passwd, "nobody"), None);
    }

    #[test]
    fn root_is_never_the_servers_user() {
        assert_eq!(ServerUser::in_passwd("nobody:x:0:0::/:", "nobody"), None);
    }

    #[test]
    fn a_closed_parent_keeps_others_out() {
        let parent = TempDir::new("reach").unwrap();
        let child = parent.path().join("open");
        fs::create_dir(&child).unwrap();
        fs::set_permissions(&child, fs::Permissions::from_mode(0o711)).unwrap();
        let stranger = ServerUser { uid: 4_000_000, gid: 4_000_000 };

        fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o711)).unwrap();
        assert!(stranger.reaches(&child));
        fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o710)).unwrap();
        assert!(!stranger.reaches(&child));
    }
}
