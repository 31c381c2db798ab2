using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Grpc.Net.Client;
using MsResampler.Server.Grpc.Protocol;

namespace MsResampler.Server.Tests.Hosting;

/// <summary>Endpoints with TLS, from the configuration of the web server.</summary>
internal sealed class TlsTests : ServerFixture
{
    private X509Certificate2 _certificate = null!;

    [OneTimeSetUp]
    public void CreateCertificate()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new("CN=localhost", key, HashAlgorithmName.SHA256);
        SubjectAlternativeNameBuilder names = new();
        names.AddDnsName("localhost");
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        _certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        File.WriteAllText(In("server.crt"), _certificate.ExportCertificatePem());
        File.WriteAllText(In("server.key"), key.ExportPkcs8PrivateKeyPem());
        File.WriteAllBytes(In("server.pfx"), _certificate.Export(X509ContentType.Pkcs12, "secret"));
    }

    [OneTimeTearDown]
    public void DisposeCertificate() => _certificate.Dispose();

    [Test]
    public async Task REST_and_gRPC_share_a_port_with_TLS([Values] bool isPfx)
    {
        const string Endpoint = "Kestrel__Endpoints__Secure";
        (string, string?)[] files = isPfx
            ? [($"{Endpoint}__Certificate__Path", In("server.pfx")), ($"{Endpoint}__Certificate__Password", "secret")]
            : [($"{Endpoint}__Certificate__Path", In("server.crt")),
                ($"{Endpoint}__Certificate__KeyPath", In("server.key"))];
        using ServerRun run = ServerRun.StartIn(new ServerRun.Surroundings
        {
            Variables = [($"{Endpoint}__Url", "https://127.0.0.1:0"), .. files],
        }, ModelArguments);
        run.WaitUntilReady();
        Uri address = run.Addresses.Single();
        using SocketsHttpHandler rest = HandlerWithTrust(), grpc = HandlerWithTrust();
        using GrpcChannel channel = GrpcChannel.ForAddress(address, new GrpcChannelOptions { HttpHandler = grpc });
        using HttpClient client = new(rest);
        using HttpResponseMessage response = await client.PostAsync(new Uri(address, Infer),
            new StringContent(Body, Encoding.UTF8, "application/json"));
        ServerReadyResponse ready = await new GRPCInferenceService.GRPCInferenceServiceClient(channel)
            .ServerReadyAsync(new ServerReadyRequest());
        using (Assert.EnterMultipleScope())
        {
            Assert.That(address.Scheme, Is.EqualTo("https"));
            Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
            Assert.That(ready.Ready);
        }

        using ServerRun probe = ServerRun.StartRaw("--check-health", new Uri(address, Ready).ToString());
        Assert.That(probe.WaitForExit(), Is.EqualTo((0, "")));
        using HttpClient stranger = new();
        HttpRequestException refused = await Assert.ThrowsAsync<HttpRequestException>(
            () => stranger.GetAsync(new Uri(address, Live)));
        Assert.That(refused.InnerException, Is.InstanceOf<AuthenticationException>());
        run.StopsCleanly();
    }

    [Test]
    public void Relative_paths_of_certificates_start_at_the_current_folder()
    {
        using ServerRun run = ServerRun.StartIn(new ServerRun.Surroundings
        {
            Folder = Path.GetDirectoryName(In("server.crt")),
            Variables =
            [
                ("Kestrel__Endpoints__Secure__Url", "https://127.0.0.1:0"),
                ("Kestrel__Endpoints__Secure__Certificate__Path", "server.crt"),
                ("Kestrel__Endpoints__Secure__Certificate__KeyPath", "server.key"),
            ],
        }, ModelArguments);
        run.WaitUntilReady();
        run.StopsCleanly();
    }

    [Test]
    public void A_certificate_that_does_not_exist_is_an_error()
    {
        using ServerRun run = ServerRun.StartIn(new ServerRun.Surroundings
        {
            Variables =
            [
                ("Kestrel__Endpoints__Secure__Url", "https://127.0.0.1:0"),
                ("Kestrel__Endpoints__Secure__Certificate__Path", In("missing.crt")),
            ],
        }, ModelArguments);
        run.FailsNaming("the server cannot listen on its ports: ", "missing.crt");
    }

    [Test]
    public void An_endpoint_with_TLS_needs_a_certificate()
    {
        using ServerRun run = ServerRun.StartIn(new ServerRun.Surroundings
        {
            Variables = [("Kestrel__Endpoints__Secure__Url", "https://127.0.0.1:0"), ("HOME", In("nowhere"))],
        }, ModelArguments);
        run.FailsNaming("the server cannot listen on its ports: ", "certificate");
    }

    private SocketsHttpHandler HandlerWithTrust() => new()
    {
        SslOptions = new SslClientAuthenticationOptions
        {
            RemoteCertificateValidationCallback = (_, certificate, _, _)
                => certificate!.GetCertHashString() == _certificate.GetCertHashString(),
        },
    };
}
