"""What every web page of licd needs: bounded servers, languages, where a request comes from."""
