"""Certificates for connections with TLS."""

import subprocess


def make_certificates(folder):
    """NAME-key.pem and NAME-cert.pem of a switch and of a client, whom the CA in ca.pem knows, and of a stranger, whom the
    one in other.pem knows."""
    def run(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    for ca in ("ca", "other"):
        run("req", "-x509", *key, "-days", "30", "-subj", f"/CN={ca}", "-keyout", f"{folder}/{ca}.key", "-out",
            f"{folder}/{ca}.pem")
    for name, ca in (("switch", "ca"), ("client", "ca"), ("stranger", "other")):
        run("req", *key, "-subj", f"/CN={name}", "-keyout", f"{folder}/{name}-key.pem", "-out", f"{folder}/{name}.req")
        run("x509", "-req", "-days", "30", "-in", f"{folder}/{name}.req", "-CA", f"{folder}/{ca}.pem", "-CAkey",
            f"{folder}/{ca}.key", "-CAcreateserial", "-out", f"{folder}/{name}-cert.pem")
