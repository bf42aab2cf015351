//! FerretDB, a server for MongoDB's protocol, built by Go as part of a small program.

use super::{is_there, refused};
use crate::invocation::Invocation;
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

/// Builds the server, unless it exists.
pub(super) fn bring(project: &Project) -> Result<(), Stop> {
    let dir = project.target.join("services/ferretdb");
    if dir.join("ferretdb-sqlite").is_file() {
        println!("FerretDB is there");
        return Ok(());
    }
    if !is_there(project, "go", "version") {
        let why = "there is no program `go`, 1.25 or later, of https://go.dev";
        return Err(Stop::Skipped(why.to_string()));
    }
    let source = dir.join("source");
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
        Invocation::program("go", "-C")
            .arg(&source)
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
