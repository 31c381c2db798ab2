using System.Diagnostics;
using MsResampler.Cli;
using MsResampler.Cli.Display;

namespace MsResampler.TestKit;

/// <summary>One command line, run in this process as if its output were redirected.</summary>
/// <param name="ExitCode">The exit code of the process.</param>
/// <param name="Output">Standard output.</param>
/// <param name="Error">Standard error.</param>
internal sealed record CliRun(int ExitCode, string Output, string Error)
{
    public static CliRun Of(params string[] args) => Of(CancellationToken.None, args);

    public static CliRun Of(CancellationToken cancellationToken, params string[] args)
    {
        using StringWriter output = new() { NewLine = "\n" };
        using StringWriter error = new() { NewLine = "\n" };
        int exitCode = CommandLine.Run(args, new Terminal(output, error, isInteractive: false),
            cancellationToken);
        return new CliRun(exitCode, output.ToString(), error.ToString());
    }

    /// <summary>Runs the command in its own process, with environment variables.</summary>
    public static CliRun OfProcess((string Variable, string Value)[] environment, params string[] args)
    {
        ProcessStartInfo start = new("dotnet", [typeof(CommandLine).Assembly.Location, .. args])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach ((string variable, string value) in environment)
            start.Environment[variable] = value;
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return new CliRun(process.ExitCode, output, error.Result);
    }

    /// <summary>Runs the command in a process that a shell starts, after a shell command and with
    /// redirections.</summary>
    public static CliRun OfShell(string before, string redirections, params string[] args)
    {
        ProcessStartInfo start = new("sh",
        [
            "-c", $"{before}\nexec \"$0\" \"$@\" {redirections}", "dotnet", typeof(CommandLine).Assembly.Location,
                .. args,
        ])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // Otherwise the runtime itself creates a file that is larger than the limits set by tests.
        start.Environment["DOTNET_EnableWriteXorExecute"] = "0";
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return new CliRun(process.ExitCode, output, error.Result);
    }

    /// <summary>Asserts success with empty standard error.</summary>
    public CliRun Succeeds()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Error, Is.Empty);
            Assert.That(ExitCode, Is.Zero);
        }

        return this;
    }

    /// <summary>Asserts exit code 2 and exactly one line on standard error that contains each of the words.</summary>
    public void FailsNaming(params string[] words)
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(ExitCode, Is.EqualTo(2));
            Assert.That(Error, Does.StartWith("error: "));
            Assert.That(Error.IndexOf('\n', StringComparison.Ordinal), Is.EqualTo(Error.Length - 1), Error);
            foreach (string word in words)
                Assert.That(Error, Does.Contain(word));
        }
    }
}
