namespace MsResampler.Server.Tests;

/// <summary>Prepares the process of these tests.</summary>
[SetUpFixture]
public sealed class TestEnvironment : TestProcess;
