//! The floor must follow the tables of the services.

use super::*;

/// Fails when a service's tables no longer take what is replayed: then the floor has to follow.
#[tokio::test]
async fn fits_the_tables_of_the_services() {
    let folder = tempfile::tempdir().unwrap();
    let settings = |service: &'static str| {
        Settings::new(
            store::Engine::Sqlite {
                file: folder.path().join(format!("{service}.db")),
            },
            service,
        )
    };
    let catalog = Db::open(settings("catalog"), catalog::MIGRATIONS, Clock::system(), Ids::random())
        .await
        .unwrap();
    catalog.write(stock_one).await.unwrap();
    catalog.close().await;
    let replay = Replay::open(settings).await.unwrap();
    let mut buyer = replay.buyer(0);
    for _ in 0..3 {
        replay.purchase(&mut buyer).await.unwrap();
    }
    let confirmed = replay.dbs[1].read(|tx| {
        let sql = "SELECT COUNT(*) FROM orders_order WHERE status = 'confirmed'";
        tx.one(sql, &[], |row| row.get::<i64>(0))
    });
    assert_eq!(confirmed.await.map_err(|fault: Error| fault).unwrap(), 3);
    let commits: u64 = replay.dbs.iter().map(|db| db.figures().commits).sum();
    assert!(commits >= 27, "{commits}");
    replay.close().await;
}

fn stock_one(tx: &mut Tx<'_>) -> Result<(), Error> {
    tx.run(
        "INSERT INTO catalog_product (id, number, handle, name, description, category, tags, status, images, options,
            metadata, version, price_low, name_key, category_key, tags_key, search_text, created_at, updated_at)
         VALUES ('prd_1', 1, 'a', 'A', '', 'General', '[]', 'active', '[]', '[]', '{}', 1, 1, 'a', 'general', '', '', 1, 1)",
        &[],
    )?;
    tx.run(
        "INSERT INTO catalog_variant (id, product_id, position, sku, choice, requires_shipping, metadata, created_at)
         VALUES ('var_1', 'prd_1', 0, 'A', '[]', 1, '{}', 1)",
        &[],
    )?;
    tx.run(
        "INSERT INTO catalog_stock (variant_id, location, on_hand, reserved, tracked, oversell, version, adjustments)
         VALUES ('var_1', 'main', 1000, 0, 1, 0, 0, 0)",
        &[],
    )
    .map(drop)
}
