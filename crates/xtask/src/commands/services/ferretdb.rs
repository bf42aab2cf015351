//! FerretDB, a server for MongoDB's protocol, built by Go as part of a small program.

use super::go::{go_in, needs_go};
use super::refused;
use crate::project::Project;
use crate::step::Stop;
use std::fs;

const MODULE: &str = "github.com/FerretDB/FerretDB";
const VERSION: &str = "v1.24.2";

/// Stores documents in SQLite without syncing: data need not survive the tests.
const MAIN: &str = r#"package main

import (
	"context"
	"log"
	"os"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: ferretdb-sqlite ADDRESS FOLDER")
	}
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: os.Args[1]},
		Handler:   "sqlite",
		SQLiteURL: "file:" + os.Args[2] + "/?_pragma=synchronous(off)",
	})
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(server.Run(context.Background()))
}
"#;

pub(super) fn is_installed(project: &Project) -> bool {
    let dir = project.target.join("services/ferretdb");
    dir.join("ferretdb-sqlite").is_file()
}

/// Builds the server.
pub(super) fn install(project: &Project) -> Result<(), Stop> {
    needs_go(project)?;
    let source = project.target.join("services/ferretdb/source");
    fs::create_dir_all(&source).map_err(refused(&source))?;
    let write = |name: &str, text: &str| {
        let path = source.join(name);
        fs::write(&path, text).map_err(refused(&path))
    };
    write(
        "go.mod",
        &format!("module ferretdb-sqlite\n\ngo 1.22\n\nrequire {MODULE} {VERSION}\n"),
    )?;
    write("main.go", MAIN)?;
    let go = |arguments: &str| {
        go_in(&source)
            .args(arguments.split(' ').map(Into::into))
            .run(project)
    };
    go("mod tidy")?;
    go("mod vendor")?;
    // The module lacks a file that its own build generates.
    write(
        &format!("vendor/{MODULE}/build/version/version.txt"),
        VERSION,
    )?;
    go("build -mod=vendor -tags ferretdb_no_postgresql -o ../ferretdb-sqlite .")?;
    Ok(())
}
