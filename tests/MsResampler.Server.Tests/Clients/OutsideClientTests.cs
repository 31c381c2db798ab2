using System.Runtime.InteropServices;
using System.Text.Json;
using MsResampler.Server.Tests.Grpc;

namespace MsResampler.Server.Tests.Clients;

/// <summary>Clients in other languages, on libraries that others wrote, get the bits of the library.</summary>
internal sealed class OutsideClientTests : GrpcFixture
{
    private static readonly PatchGrid[] s_grids = [new(24, 24), new(5, 7), new(1, 1)];

    private static readonly string s_folder = Path.Combine(TestContext.CurrentContext.TestDirectory, "Clients");

    private TemporaryFolder _work = null!;

    [SetUp]
    public void WriteTask()
    {
        _work = new TemporaryFolder();
        float[] features = RandomFeatures(21, s_grids);
        File.WriteAllBytes(_work.File("features"), MemoryMarshal.AsBytes(features.AsSpan()));
        File.WriteAllBytes(_work.File("tokens"), MemoryMarshal.AsBytes(Library.Resample(features, s_grids).AsSpan()));
        File.WriteAllText(_work.File("task.json"), JsonSerializer.Serialize(new
        {
            http = Server.Http.Authority,
            grpc = Server.Grpc.Authority,
            protocol = Path.Combine(s_folder, "open_inference.proto"),
            health = Path.Combine(s_folder, "health.proto"),
            model = ModelName,
            width = Library.FeatureWidth,
            grids = s_grids.Select(grid => new[] { grid.Rows, grid.Columns }),
            shape = new[] { s_grids.Length, Library.TokenCount, Library.TokenWidth },
            features = _work.File("features"),
            tokens = _work.File("tokens"),
        }));
    }

    [TearDown]
    public void DeleteTask() => _work.Dispose();

    [Test]
    public async Task Python_gets_the_same_bits_over_REST()
    {
        (int, string Output)? version = await OutsideProgram.RunAsync(_work.Path, "python3", "--version");
        Skip.If(version is null, "There is no python3, for a client of REST.");
        await AllHoldAsync("python3", Path.Combine(s_folder, "client.py"), """
            live, ready, model ready, server metadata, model metadata, json, nested json, binary,
            binary features and json grids, binary features and json tokens, half precision tokens, gate on request,
            unknown model, unknown version, wrong shape, broken json, usable after errors
            """);
    }

    [Test]
    public async Task Node_gets_the_same_bits_over_gRPC()
    {
        await NodePackages.InstallOrSkipAsync(_work);
        File.Copy(Path.Combine(s_folder, "client.mjs"), _work.File("client.mjs"));
        await AllHoldAsync("node", _work.File("client.mjs"), """
            live, ready, model ready, health, health of an unknown service, health watch, server metadata,
            model metadata, raw values, typed values, tokens as BF16, the gate on request, 100 calls at once,
            an unknown model,
            raw values of another length, raw and typed values, a compressed message, a deadline that has passed
            """);
    }

    /// <summary>Runs a client and asserts that each of its checks holds.</summary>
    private async Task AllHoldAsync(string program, string script, string checks)
    {
        (int ExitCode, string Output) run
            = (await OutsideProgram.RunAsync(_work.Path, program, script, _work.File("task.json")))!.Value;
        string[] expected = [.. checks.Split([',', '\n'], StringSplitOptions.TrimEntries
            | StringSplitOptions.RemoveEmptyEntries).Select(check => $"ok {check}")];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries), Is.EqualTo(expected));
            Assert.That(run.ExitCode, Is.Zero);
        }
    }
}
