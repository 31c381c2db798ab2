using MsResampler.MachineCode;

// Writes the machine code of the library as C# source. The build of src/MsResampler runs this program.
if (args is not [string path])
{
    Console.Error.WriteLine("usage: MsResampler.MachineCode FILE.cs");
    return 2;
}

// A build of another configuration may read the file at the same time: it finds all of it or the file before.
string complete = $"{path}.{Environment.ProcessId}";
File.WriteAllText(complete, GeneratedSource.Write());
File.Move(complete, path, overwrite: true);
return 0;
