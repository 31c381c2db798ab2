namespace MsResampler.Server.Tests.Deploy;

/// <summary>The files of <c>tools/MsResampler.Server/deploy</c>.</summary>
internal static class DeployFile
{
    private const string Solution = "MsResampler.Kernels.sln";

    /// <summary>The root folder of the repository. Skips the running test if the tests run outside their
    /// checkout.</summary>
    public static string RootOrSkip()
    {
        DirectoryInfo? folder = new(TestContext.CurrentContext.TestDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, Solution)))
            folder = folder.Parent;
        Skip.If(folder is null, "The tests run apart from the checkout whose files this test reads.");
        return folder!.FullName;
    }

    /// <summary>The text of a file. Skips like <see cref="RootOrSkip"/>.</summary>
    public static string ReadOrSkip(string name)
        => File.ReadAllText(Path.Combine(RootOrSkip(), "tools", "MsResampler.Server", "deploy", name));
}
