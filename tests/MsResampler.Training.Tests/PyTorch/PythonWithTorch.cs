using System.Diagnostics;

namespace MsResampler.Training.Tests.PyTorch;

/// <summary>The Python of this machine, if it has PyTorch.</summary>
internal static class PythonWithTorch
{
    // Debian's package python3-torch is visible only to the system's own Python, which another one can hide.
    private static readonly string[] s_candidates = ["python3", "/usr/bin/python3", "python"];

    private static readonly Lazy<string?> s_path = new(() => s_candidates.FirstOrDefault(HasTorch));

    /// <summary>Runs a script of <c>perf/peers</c>. Skips the running test without PyTorch, or outside a
    /// checkout.</summary>
    public static void RunOrSkip(string script, params string[] arguments)
    {
        DirectoryInfo? root = new(TestContext.CurrentContext.TestDirectory);
        while (root is not null && !File.Exists(Path.Combine(root.FullName, "MsResampler.Kernels.sln")))
            root = root.Parent;
        Skip.If(root is null, "The tests run apart from the checkout, which has the PyTorch scripts.");
        Skip.If(s_path.Value is null, "There is no Python with PyTorch (on Debian: python3-torch).");
        (int exitCode, string output) = Run(s_path.Value!,
            [Path.Combine(root!.FullName, "perf", "peers", script), .. arguments]);
        Assert.That(exitCode, Is.Zero, output);
    }

    private static bool HasTorch(string python)
    {
        try
        {
            return Run(python, ["-c", "import torch"]).ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }

    private static (int ExitCode, string Output) Run(string program, string[] arguments)
    {
        ProcessStartInfo start = new(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["PYTHONDONTWRITEBYTECODE"] = "1";
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + errors.Result);
    }
}
