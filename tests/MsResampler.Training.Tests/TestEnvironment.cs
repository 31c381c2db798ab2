namespace MsResampler.Training.Tests;

[SetUpFixture]
public sealed class TestEnvironment : TestProcess;
