// Most of the tests that run in parallel wait for processes and connections.
[assembly: LevelOfParallelism(8)]

namespace MsResampler.Server.Tests;

/// <summary>Prepares the process of these tests.</summary>
[SetUpFixture]
public sealed class TestEnvironment : TestProcess;
