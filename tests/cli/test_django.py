"""A Django project: its settings, its models in handlers, and jobs in its transactions."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import psycopg
import pytest

from tests.cli.programs import pending, results
from tests.support.shell import ROOT, spawn

pytest.importorskip("django")

SETTINGS = """
    import os
    from psycopg import conninfo
    dsn = conninfo.conninfo_to_dict(os.environ["ACTORQ_DSN"])
    SECRET_KEY = "of a test"
    INSTALLED_APPS = ["shop"]
    DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
    DATABASES = {"default": {
        "ENGINE": "django.db.backends.postgresql", "NAME": dsn["dbname"], "USER": dsn.get("user"),
        "HOST": dsn.get("host"), "PORT": dsn.get("port"), "PASSWORD": dsn.get("password"),
    }}
    LOGGING = {"version": 1, "root": {"level": "INFO"}}  # it disables existing loggers
"""
MODELS = """
    from django.db import models
    class Image(models.Model):
        title = models.CharField(max_length=50)
"""
HANDLERS = """
    import actorq
    from django.db import close_old_connections
    from shop.models import Image

    app = actorq.App()

    @app.actor("title")
    def title(pk: int) -> str:
        close_old_connections()
        return Image.objects.get(pk=pk).title
"""
WORKER = """
    import os
    import django
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project_settings")
    django.setup()
    from handlers import app
"""
SHOP = """
    import worker
    from django.db import connection, transaction
    from handlers import title
    from shop.models import Image

    with connection.schema_editor() as editor:
        editor.create_model(Image)
    with transaction.atomic():
        image = Image.objects.create(title="kept")
        title.enqueue(image.pk, conn=connection)
    try:
        with transaction.atomic():
            image = Image.objects.create(title="rolled back")
            title.enqueue_many([image.pk], conn=connection)
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
"""
MANAGE = """
    import sys
    if __name__ == "__main__":
        import worker
        from handlers import app
        sys.exit(app.drain())
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "shop").mkdir()
    for name, text in {
        "project_settings.py": SETTINGS,
        "shop/__init__.py": "",
        "shop/models.py": MODELS,
        "handlers.py": HANDLERS,
        "worker.py": WORKER,
        "sell.py": SHOP,
        "manage.py": MANAGE,
    }.items():
        (tmp_path / name).write_text(textwrap.dedent(text))
    return tmp_path


def script(project: Path, name: str, dsn: str) -> None:
    done = subprocess.run(
        [sys.executable, name],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT), "ACTORQ_DSN": dsn},
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_rows_are_read_in_handlers_and_jobs_commit_with_them(dsn: str, project: Path) -> None:
    script(project, "sell.py", dsn)
    assert pending(dsn) == ["title"]
    ran = spawn("run", "worker:app", "--drain", cwd=project, ACTORQ_DSN=dsn)
    assert (ran.code, list(results(dsn).values())) == (0, ["kept"]), ran.err
    assert "supervisor stopped" in ran.err
    with psycopg.connect(dsn) as conn:
        assert conn.execute("SELECT title FROM shop_image").fetchall() == [("kept",)]


def test_a_command_of_its_own_sets_up_django_where_the_app_is_made(dsn: str, project: Path) -> None:
    script(project, "sell.py", dsn)
    set_up = """
    import os
    import django
    from django.apps import apps
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project_settings")
    if not apps.apps_ready:  # in an actor
        django.setup()
    """
    (project / "handlers.py").write_text(textwrap.dedent(set_up) + textwrap.dedent(HANDLERS))
    script(project, "manage.py", dsn)
    assert list(results(dsn).values()) == ["kept"]
