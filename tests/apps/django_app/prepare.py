"""python3 -m django_app.prepare USER PASSWORD: makes the database, with one user."""

import os
import sys

import django
from django.core.management import call_command

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "django_app.settings")
django.setup()
call_command("migrate", verbosity=0)

from django.contrib.auth.models import User  # noqa: E402

User.objects.create_user(sys.argv[1], password=sys.argv[2])
