using System.CommandLine;
using System.Globalization;
using System.Security;
using MsResampler.Kernels.Compiler;
using MsResampler.Perf.Results;
using NUnit.Framework.Api;
using NUnit.Framework.Interfaces;
using NUnit.Framework.Internal;

namespace MsResampler.GpuBundle;

/// <summary>The command <c>test</c>: runs tests of the GPU backend without a test host.</summary>
internal static class TestCommand
{
    private const string Assembly = "MsResampler.Kernels.Tests";

    /// <summary>The tests that need a real device.</summary>
    private const string HardwareTests = "CudaHardware";

    private const int Done = 0;
    private const int TestsFailed = 1;
    private const int NothingRan = 3;

    public static Command Create()
    {
        Option<string> filter = new("--filter")
        {
            Description = "Run the tests whose full names match this regular expression.",
            HelpName = "REGEX",
            DefaultValueFactory = _ => HardwareTests,
        };
        Option<string?> xml = new("--xml")
        {
            Description = "Also write NUnit's report to this file.",
            HelpName = "FILE",
        };
        Command command = new("test", "Run the tests that need a GPU. Exits with 1 if a test fails, with 3 if no " +
            "test could run.") { filter, xml };
        ResultOptions results = ResultOptions.AddTo(command, "promises");
        command.SetAction(parsed => Run(parsed.GetRequiredValue(filter), parsed.GetValue(xml), results.Open(parsed)));
        return command;
    }

    private static int Run(string pattern, string? xmlPath, ResultLog? log)
    {
        // The tests redirect the cache. It is opened before, so that they use the kernels of the bundle.
        _ = KernelCache.Default;
        NUnitTestAssemblyRunner runner = new(new DefaultTestAssemblyBuilder());
        runner.Load(System.Reflection.Assembly.Load(Assembly), new Dictionary<string, object>());
        ITestFilter filter = TestFilter.FromXml(
            $"<filter><test re='1'>{SecurityElement.Escape(pattern)}</test></filter>");
        ITestResult result = runner.Run(new Listener(log), filter);
        Console.WriteLine($"{result.PassCount} passed, {result.FailCount} failed, {result.SkipCount} ignored, " +
            $"{result.InconclusiveCount} inconclusive in {result.Duration:0.0} s");
        if (xmlPath is not null)
            File.WriteAllText(xmlPath, result.ToXml(recursive: true).OuterXml);
        return result.ResultState.Status == TestStatus.Failed || result.FailCount > 0 ? TestsFailed
            : result.PassCount == 0 ? NothingRan
            : Done;
    }

    /// <summary>Prints a line for each test.</summary>
    private sealed class Listener(ResultLog? log) : ITestListener
    {
        public void TestStarted(ITest test)
        {
        }

        public void TestFinished(ITestResult result)
        {
            // A group of tests is printed only if its setup or teardown failed.
            bool isCase = !result.Test.IsSuite;
            if (!isCase && !(result.ResultState.Status == TestStatus.Failed
                && result.ResultState.Site is FailureSite.SetUp or FailureSite.TearDown))
            {
                return;
            }

            Console.WriteLine($"{result.ResultState.Status,-12} {result.Duration,6:0.0} s  {result.FullName}");
            if (!string.IsNullOrWhiteSpace(result.Message))
                Console.WriteLine($"    {result.Message.Trim().ReplaceLineEndings("\n    ")}");
            if (result.ResultState.Status == TestStatus.Failed)
                Console.WriteLine(result.StackTrace);
            string name = result.Test.FullName.Split('.', 4)[^1];
            log?.Add(name, OutcomeOf(result), result.ResultState.Status == TestStatus.Passed
                ? string.Create(CultureInfo.InvariantCulture, $"{result.Duration:0.0} s") : result.Message ?? "");
        }

        private static Outcome OutcomeOf(ITestResult result) => result.ResultState.Status switch
        {
            TestStatus.Passed => Outcome.Passed,
            TestStatus.Failed => Outcome.Failed,
            _ => Outcome.Skipped,
        };

        public void TestOutput(TestOutput output)
        {
        }

        public void SendMessage(TestMessage message)
        {
        }
    }
}
