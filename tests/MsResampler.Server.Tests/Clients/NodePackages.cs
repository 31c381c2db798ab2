namespace MsResampler.Server.Tests.Clients;

/// <summary>The packages that clients in Node need.</summary>
internal static class NodePackages
{
    /// <summary>Installs the packages and the protocol into a folder; skips the test if that fails.</summary>
    public static async Task InstallOrSkipAsync(TemporaryFolder folder)
    {
        string source = Path.Combine(TestContext.CurrentContext.TestDirectory, "Clients");
        foreach (string name in new[] { "package.json", "package-lock.json", "open_inference.proto" })
            File.Copy(Path.Combine(source, name), folder.File(name));
        (int ExitCode, string Output)? node = await OutsideProgram.RunAsync(folder.Path, "node", "--version");
        Skip.If(node is null, "There is no node, for a client of gRPC.");
        (int ExitCode, string Output)? install = await OutsideProgram.RunAsync(folder.Path, "npm", "ci",
            "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline");
        Skip.If(install is null, "There is no npm, for a client of gRPC.");
        // The files contradict each other; everything else is the machine's network.
        Assert.That(install!.Value.Output, Does.Not.Contain("EUSAGE"));
        Skip.If(install.Value.ExitCode != 0, "npm could not get @grpc/grpc-js, for a client of gRPC.");
    }
}
